package unit

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"fleet/generate/model"
)

// Text writes a value that systemd takes as it stands, such as a description.
func (s Section) Text(key, value string) {
	v, err := text(value)
	s.put(key, v, err)
}

// Raw writes a value of the spec's author in systemd's own syntax, specifiers and quotes included.
func (s Section) Raw(key, value string) { s.put(key, value, checkLine(value)) }

// Words writes values of systemd's own vocabulary, such as "strict" or "~@aio". No word at all resets a list.
func (s Section) Words(key string, words ...string) {
	var err error
	for _, w := range words {
		if !isWord(strings.TrimPrefix(w, "~")) {
			err = fmt.Errorf("%q must be a plain word", w)
		}
	}
	s.put(key, strings.Join(words, " "), err)
}

// Bool writes yes or no.
func (s Section) Bool(key string, v bool) {
	word := "no"
	if v {
		word = "yes"
	}
	s.put(key, word, nil)
}

// Yes writes yes for each key.
func (s Section) Yes(keys ...string) {
	for _, k := range keys {
		s.Bool(k, true)
	}
}

// Int writes a number.
func (s Section) Int(key string, v int) { s.put(key, strconv.Itoa(v), nil) }

// Bytes writes a size.
func (s Section) Bytes(key string, v uint64) { s.put(key, size(v), nil) }

// size writes a number of bytes in the largest unit of 1024 that divides it, as systemd and tmpfs read them.
func size(v uint64) string {
	suffix := ""
	for _, next := range []string{"K", "M", "G"} {
		if v == 0 || v%1024 != 0 {
			break
		}
		v, suffix = v/1024, next
	}
	return strconv.FormatUint(v, 10) + suffix
}

// Span writes a time span.
func (s Section) Span(key string, d time.Duration) {
	var err error
	if d < 0 || d%time.Millisecond != 0 {
		err = fmt.Errorf("%s must be a whole number of milliseconds", d)
	}
	s.put(key, span(d), err)
}

// span writes a duration as systemd.time(7) has it, such as "1h 30min".
func span(d time.Duration) string {
	var parts []string
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if n := d / u.size; n > 0 {
			parts = append(parts, strconv.FormatInt(int64(n), 10)+u.name)
			d %= u.size
		}
	}
	if len(parts) == 0 {
		return "0"
	}
	return strings.Join(parts, " ")
}

// Path writes one path.
func (s Section) Path(key, path string) {
	v, err := filePath(path)
	s.put(key, v, err)
}

// Unless writes a condition that the path does not exist.
func (s Section) Unless(key, path string) {
	v, err := filePath(path)
	s.put(key, "!"+v, err)
}

// Units writes names of units.
func (s Section) Units(key string, names ...model.UnitName) {
	for _, n := range names {
		v, err := checkUnitName(n)
		s.put(key, v, err)
	}
}

func checkUnitName(n model.UnitName) (string, error) {
	if !isUnit(string(n)) || len(n) > 255 {
		return "", fmt.Errorf("%q must be the name of a unit", n)
	}
	return string(n), nil
}

// Env writes one variable.
func (s Section) Env(name, value string) {
	v, err := variable(name, value)
	s.put("Environment", v, err)
}

// Bind is one file or folder of the host that is seen inside.
type Bind struct {
	Source   string
	Target   string // "" is the same path
	Write    bool
	Optional bool // left out where the source does not exist
}

// Bind writes a bind mount.
func (s Section) Bind(b Bind) {
	key := "BindReadOnlyPaths"
	if b.Write {
		key = "BindPaths"
	}
	v, err := bindPath(b.Source)
	if b.Optional {
		v = "-" + v
	}
	if b.Target != "" && b.Target != b.Source {
		target, targetErr := bindPath(b.Target)
		v += ":" + target
		if err == nil {
			err = targetErr
		}
	}
	s.put(key, v, err)
}
