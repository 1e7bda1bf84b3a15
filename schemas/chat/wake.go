package chat

// Reasons why an agent is woken.
const (
	WakeMention = "mention" // a message names it, or was written to its bot
	WakeChannel = "channel" // a message is in its own channel
	WakeThread  = "thread"  // a message is in a thread that it began or wrote in, or of its task
	WakeTask    = "task"    // a task is for it, or for anybody
)

// Wake is the content of a file that says that something came for an agent while it may be pausing. What was said is not
// in it: the agent reads that.
type Wake struct {
	Reason  string `json:"reason"`
	Channel string `json:"channel"`
	Thread  string `json:"thread,omitempty"`  // that the message is in
	Message int64  `json:"message,omitempty"` // its number in the channel
	Task    int64  `json:"task,omitempty"`    // number of the task

	// Untrusted is a message of somebody who is not among the trusted operators.
	Untrusted bool `json:"untrusted,omitempty"`
}
