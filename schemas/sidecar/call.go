package sidecar

import (
	"reflect"
	"strconv"

	"fleet/schemas/audit"
)

// MessageID is the journal's MESSAGE_ID of all records of calls.
const MessageID = "5b7c6f1d9a0e4c0ab8a4f3f0d2c95e61"

// Events of a Call.
const (
	Called   = "called"   // the call was allowed or refused; with a result it has ended already, and no end follows
	Ended    = "ended"    // what was allowed has ended
	Repeated = "repeated" // as many further refusals as Count says
)

// Reasons why a call is refused.
const (
	ReasonHidden    = "hidden"    // the tool is not offered
	ReasonArguments = "arguments" // they do not follow their schema, or are no JSON object
	ReasonRate      = "rate"      // callsPerMinute is reached
	ReasonBusy      = "busy"      // too many calls of the agent are open
)

// Results of a call.
const (
	ResultOK        = "ok"
	ResultToolError = "tool-error" // the tool says that it failed
	ResultError     = "error"      // the tool answered with an error of the protocol
	ResultCancelled = "cancelled"  // by the agent
	ResultTimeout   = "timeout"
	ResultGone      = "gone" // the tool ended, could not be started or answered nothing that makes sense
)

// Call is the record of one call, in the journal beside those of the gates. What does not apply is left out.
type Call struct {
	Event     string `json:"event"`
	Project   string `json:"project"`
	Sidecar   string `json:"sidecar"`
	Agent     string `json:"agent"`
	UID       int64  `json:"uid,omitempty"` // the agent's
	Session   int64  `json:"session,omitempty"`
	Tool      string `json:"tool"`
	Digest    string `json:"digest,omitempty"`    // SHA-256 of the arguments' canonical JSON
	Arguments string `json:"arguments,omitempty"` // that JSON, cut where it is long
	Verdict   string `json:"verdict"`             // audit.Allow or audit.Deny
	Reason    string `json:"reason,omitempty"`
	Count     int64  `json:"count,omitempty"`
	BytesUp   int64  `json:"bytesUp,omitempty"`   // of the arguments
	BytesDown int64  `json:"bytesDown,omitempty"` // of the result
	Micros    int64  `json:"micros,omitempty"`
	Result    string `json:"result,omitempty"`

	// Serial is the same in a call and its end, and in no other record of the sidecar's run; it is not written.
	Serial int64 `json:"-"`
}

var callNames = audit.Names(reflect.TypeFor[Call]())

// Append appends the record as an entry of the journal's native protocol, as audit.Record.Append does.
func (c *Call) Append(b []byte) []byte {
	b = append(b, "MESSAGE="...)
	b = c.appendMessage(b)
	b = append(b, "\nMESSAGE_ID="+MessageID+"\nSYSLOG_IDENTIFIER=fleet-sidecar\nPRIORITY="...)
	b = append(b, c.priority(), '\n')
	return audit.AppendFields(b, callNames, reflect.ValueOf(c).Elem())
}

// CallFromFields reads the fields of a journal's entry. The error names the field that has no such value.
func CallFromFields(fields map[string]string) (Call, error) {
	var c Call
	err := audit.ReadFields(fields, callNames, reflect.ValueOf(&c).Elem())
	return c, err
}

// priority is notice for what somebody may want to look at, else info.
func (c *Call) priority() byte {
	if c.Verdict != audit.Allow || c.Result == ResultGone || c.Result == ResultTimeout {
		return '5'
	}
	return '6'
}

// String is the record as a line for people.
func (c Call) String() string { return string(c.appendMessage(nil)) }

func (c *Call) appendMessage(b []byte) []byte {
	b = append(append(b, c.Agent...), ": "...)
	if c.Event != Called {
		b = append(append(b, c.Event...), ' ')
	}
	b = append(append(b, c.Verdict...), " call "...)
	b = append(append(append(b, c.Sidecar...), '/'), audit.Text(c.Tool)...)
	if c.Reason != "" {
		b = append(append(b, ": "...), audit.Text(c.Reason)...)
	}
	if c.Count != 0 {
		b = appendInt(append(b, " ("...), c.Count, " times)")
	}
	if c.Result != "" {
		b = append(append(b, " ("...), audit.Text(c.Result)...)
		b = appendInt(append(b, ", "...), c.BytesUp, " bytes up, ")
		b = appendInt(b, c.BytesDown, " down, ")
		b = appendInt(b, c.Micros/1000, " ms)")
	}
	return b
}

func appendInt(b []byte, n int64, after string) []byte {
	return append(strconv.AppendInt(b, n, 10), after...)
}
