package fleet

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// The keys that a spec may write in more than one form.

// either reads a text, which from takes, or an object.
func either(b []byte, object any, from func(text string)) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		from(text)
		return nil
	}
	return json.Unmarshal(b, object)
}

// UnmarshalJSON reads a duration, or the object.
func (i *Iteration) UnmarshalJSON(b []byte) error {
	type object Iteration
	return either(b, (*object)(i), func(text string) { *i = Iteration{Day: Duration(text)} })
}

// MarshalJSON writes a duration where nothing else is set, else the object.
func (i Iteration) MarshalJSON() ([]byte, error) {
	if i == (Iteration{Day: i.Day}) {
		return json.Marshal(i.Day)
	}
	type object Iteration
	return json.Marshal(object(i))
}

// UnmarshalJSON reads a text, or the object.
func (i *Instruction) UnmarshalJSON(b []byte) error {
	type object Instruction
	return either(b, (*object)(i), func(text string) { *i = Instruction{Text: text} })
}

// UnmarshalJSON reads "host" or "host:port", or the object.
func (r *EgressRule) UnmarshalJSON(b []byte) error {
	type object EgressRule
	return either(b, (*object)(r), func(text string) {
		*r = EgressRule{Methods: []string{}, Paths: []string{}}
		r.Host, r.Ports = target(text)
	})
}

// UnmarshalJSON reads "host" or "host:port", or the object.
func (d *EgressDenial) UnmarshalJSON(b []byte) error {
	type object EgressDenial
	return either(b, (*object)(d), func(text string) {
		*d = EgressDenial{Methods: []string{}, Paths: []string{}}
		d.Host, d.Ports = target(text)
	})
}

// target splits "host:port". An IPv6 address has its port only in brackets, as in URLs; what else has colons is a host,
// and no valid one.
func target(s string) (host string, ports []int) {
	name, port, ok := strings.Cut(s, ":")
	if inner, rest, bracketed := strings.Cut(strings.TrimPrefix(s, "["), "]"); bracketed && strings.HasPrefix(s, "[") {
		if rest == "" {
			return inner, []int{}
		}
		name, port, ok = inner, strings.TrimPrefix(rest, ":"), rest[0] == ':'
	}
	n, err := strconv.Atoi(port)
	if !ok || err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
		return s, []int{}
	}
	return name, []int{n}
}

// UnmarshalJSON reads directives whose values are texts, numbers, booleans or lists of them. A boolean becomes yes or
// no, as systemd writes it.
func (s *Systemd) UnmarshalJSON(b []byte) error {
	var raw struct {
		Unit    map[string]values `json:"Unit"`
		Service map[string]values `json:"Service"`
		Unsafe  bool              `json:"unsafe"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	*s = Systemd{Unit: plain(raw.Unit), Service: plain(raw.Service), Unsafe: raw.Unsafe}
	return nil
}

func plain(m map[string]values) map[string][]string {
	out := make(map[string][]string, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

type values []string

func (v *values) UnmarshalJSON(b []byte) error {
	var list []json.RawMessage
	if json.Unmarshal(b, &list) != nil {
		list = []json.RawMessage{b}
	}
	*v = make(values, 0, len(list))
	for _, item := range list {
		text, err := directiveValue(item)
		if err != nil {
			return err
		}
		*v = append(*v, text)
	}
	return nil
}

func directiveValue(b []byte) (string, error) {
	var text string
	var number json.Number
	var yes bool
	switch {
	case json.Unmarshal(b, &yes) == nil && yes:
		return "yes", nil
	case json.Unmarshal(b, &yes) == nil:
		return "no", nil
	case len(b) > 0 && b[0] == '"' && json.Unmarshal(b, &text) == nil:
		return text, nil
	case json.Unmarshal(b, &number) == nil:
		return number.String(), nil
	}
	return "", fmt.Errorf("%s is not a text, a number or a boolean", b)
}
