// Package audit is the record that a gate writes of each decision. It lies in the journal, one field for each key, so
// that journalctl finds records by field; the agent can neither write nor read it, but chooses some of the texts in it.
package audit

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MessageID is the journal's MESSAGE_ID of all records.
const MessageID = "c5a1f0a86f0e4d1e9f4b0d9f7a35e2b1"

// Prefix begins the journal's name of each of a record's fields: "bytesUp" is FLEET_BYTES_UP.
const Prefix = "FLEET_"

// Events.
const (
	Decision = "decision" // a request was allowed or denied; with a result it has ended already, and no end follows
	End      = "end"      // what was allowed has ended
	Repeated = "repeated" // as many further denials like one recorded before as Count says
)

// Verdicts.
const (
	Allow = "allow"
	Deny  = "deny"
	Would = "report" // allowed by mode report alone; Reason says why it would be denied

	// Bypassed is allowed by a bypass alone; Reason says why it would be denied.
	Bypassed = "bypassed"
)

// Limits of texts in bytes. A name has 253; what is longer was never one.
const (
	maxText = 512
	cut     = "[...]"
)

// Record is one record. What does not apply is left out.
type Record struct {
	Event      string `json:"event"`
	Project    string `json:"project"`
	Agent      string `json:"agent"`
	UID        int64  `json:"uid,omitempty"`        // the agent's
	Connection int64  `json:"connection,omitempty"` // number of the connection since the gate's start; 0: all that were counted
	Kind       string `json:"kind"`                 // dns, connect, tcp, tls, http, https or dial
	Host       string `json:"host,omitempty"`
	Port       int    `json:"port,omitempty"`
	Address    string `json:"address,omitempty"` // that may be dialled or was refused; behind "via" names that Host stood for
	Method     string `json:"method,omitempty"`
	Path       string `json:"path,omitempty"` // without the query, which may hold secrets
	Verdict    string `json:"verdict"`
	Rule       string `json:"rule,omitempty"`
	Reason     string `json:"reason,omitempty"`
	Count      int64  `json:"count,omitempty"`
	BytesUp    int64  `json:"bytesUp,omitempty"`
	BytesDown  int64  `json:"bytesDown,omitempty"`
	Micros     int64  `json:"micros,omitempty"`  // how long it lasted
	Result     string `json:"result,omitempty"`  // how it ended
	Secrets    string `json:"secrets,omitempty"` // names of those put in, or of the one whose placeholder stood elsewhere
	Dropped    string `json:"dropped,omitempty"` // fields and parameters with credentials of the agent's own, which did not go out

	// Serial is the same in a decision and its end, and in no other record of the gate's run; 0 where there is no end.
	// It is not written.
	Serial int64 `json:"-"`
}

// Ended tells that the record has what came of it: how it ended, how long it lasted and how many bytes went.
func (r *Record) Ended() bool { return r.Result != "" }

// Append appends the record as an entry of the journal's native protocol, a line NAME=VALUE for each field, the message
// of a person's first: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. No value has a control character, such as the end
// of a line, or invalid UTF-8, and none is longer than a bound.
func (r *Record) Append(b []byte) []byte {
	b = append(b, "MESSAGE="...)
	b = r.appendMessage(b)
	b = append(b, "\nMESSAGE_ID="+MessageID+"\nSYSLOG_IDENTIFIER=fleet-gate\nPRIORITY="...)
	b = append(b, r.priority(), '\n')
	return AppendFields(b, names, reflect.ValueOf(r).Elem())
}

// FromFields reads the fields of a journal's entry, such as journalctl -o json prints; others than a record's are
// ignored. The error names the field that has no such value.
func FromFields(fields map[string]string) (Record, error) {
	var r Record
	if err := ReadFields(fields, names, reflect.ValueOf(&r).Elem()); err != nil {
		return Record{}, err
	}
	return r, nil
}

// names are the journal's names of Record's fields, in their order.
var names = Names(reflect.TypeFor[Record]())

// Fields are the journal's names of all fields of a record.
func Fields() []string { return slices.Clone(names) }

// priority is notice for what somebody may want to look at, else info.
func (r *Record) priority() byte {
	if r.Verdict != Allow {
		return '5'
	}
	return '6'
}

// String is the record as a line for people.
func (r Record) String() string { return string(r.appendMessage(nil)) }

func (r *Record) appendMessage(b []byte) []byte {
	b = append(append(b, r.Agent...), ": "...)
	if r.Event != Decision {
		b = append(append(b, r.Event...), ' ')
	}
	b = append(append(append(b, r.Verdict...), ' '), r.Kind...)
	b = appendText(b, " ", r.Method)
	b = appendText(b, " ", r.Host)
	if r.Port != 0 {
		b = strconv.AppendInt(append(b, ':'), int64(r.Port), 10)
	}
	b = appendText(b, "", r.Path)
	b = appendText(b, " at ", r.Address)
	b = appendText(b, " by ", r.Rule)
	b = appendText(b, ": ", r.Reason)
	if r.Verdict == Deny {
		b = appendText(b, " of ", r.Secrets)
	} else {
		b = appendText(b, " with ", r.Secrets)
	}
	b = appendText(b, " without ", r.Dropped)
	if r.Count != 0 {
		b = append(strconv.AppendInt(append(b, " ("...), r.Count, 10), " times)"...)
	}
	if r.Ended() {
		b = append(append(b, " ("...), Text(r.Result)...)
		b = strconv.AppendInt(append(b, ", "...), r.BytesUp, 10)
		b = strconv.AppendInt(append(b, " bytes up, "...), r.BytesDown, 10)
		b = append(b, " down)"...)
	}
	return b
}

func appendText(b []byte, before, text string) []byte {
	if text == "" {
		return b
	}
	return append(append(b, before...), Text(text)...)
}

// Text makes a text that an agent may have chosen fit to be shown: what is not printable is written as an escape, and
// what is too long is cut.
func Text(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 && b.Len() < maxText {
		c, n := utf8.DecodeRuneInString(s)
		switch {
		case c == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(c):
			b.WriteString(s[:n])
		default:
			fmt.Fprintf(&b, `\u{%x}`, c)
		}
		s = s[n:]
	}
	if s != "" {
		b.WriteString(cut)
	}
	return b.String()
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= maxText
}
