// Package probe tries, as an agent's own user inside its sandbox, what an agent must not be able to do, and that the one
// thing works that it must: its way out. The activator
// runs it in the health window and `fleet try` shows it.
//
// It sends to documentation addresses only (RFC 5737, RFC 3849), so that a packet that did get out reaches nobody.
package probe

import (
	"fmt"
	"time"
)

// Options tell what the agent is.
type Options struct {
	Others []string // users of other agents, whose homes must be out of sight
	Hidden []string // folders that must be out of sight
	Sudo   bool     // the agent may gain privileges: NoNewPrivs is not expected
	Shared bool     // isolation user: the host's network namespace

	Listed, Unlisted string // in a trial: a host that must be reached, and one that must not; "" is none
}

// Result is the outcome of one attempt.
type Result struct {
	Name   string `json:"name"`
	Held   bool   `json:"held"`   // the wall held, or the way is open
	Detail string `json:"detail"` // what the kernel answered
}

// replyTime bounds each attempt. A contained attempt is refused by the kernel at once; one that waits has sent a packet.
const replyTime = time.Second

// attempt is one thing that must fail. It returns nil where it succeeded.
type attempt struct {
	name string
	try  func() error
}

// Run makes all attempts and returns their outcomes in a fixed order.
func Run(o Options) []Result {
	var out []Result
	for _, a := range way(o) { // first: it starts the gate
		out = append(out, judgeWay(a))
	}
	for _, group := range [][]attempt{network(o), families(), kernel(), sockets(), files(o)} {
		for _, a := range group {
			out = append(out, judge(a))
		}
	}
	return append(out, status(o)...)
}

func judge(a attempt) Result {
	err := a.try()
	if err == nil {
		return Result{Name: a.name, Detail: "succeeded"}
	}
	if isSilence(err) {
		return Result{Name: a.name, Detail: "no refusal: " + err.Error()}
	}
	return Result{Name: a.name, Held: true, Detail: err.Error()}
}

// judgeWay is judge for what must succeed.
func judgeWay(a attempt) Result {
	if err := a.try(); err != nil {
		return Result{Name: a.name, Detail: "cannot be reached: " + err.Error()}
	}
	return Result{Name: a.name, Held: true, Detail: answered}
}

// Breaches returns the outcomes in which a wall did not hold.
func Breaches(results []Result) []Result {
	var out []Result
	for _, r := range results {
		if !r.Held {
			out = append(out, r)
		}
	}
	return out
}

// reached is how many results are of what had to be reached.
func reached(results []Result) int {
	n := 0
	for _, r := range results {
		if r.Detail == answered {
			n++
		}
	}
	return n
}

// answered is the detail of what was reached.
const answered = "answered"

// Summary is one line for people.
func Summary(results []Result) string {
	bad := Breaches(results)
	if len(bad) == 0 {
		return fmt.Sprintf("%d attempts refused, a listed host reached", len(results)-reached(results))
	}
	return fmt.Sprintf("%d of %d attempts went wrong: %s (%s)", len(bad), len(results), bad[0].Name, bad[0].Detail)
}
