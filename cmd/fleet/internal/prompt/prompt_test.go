package prompt

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// term is a terminal: a person's end and a program's.
func term(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, program, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close(); program.Close() })
	return person, program
}

// longest is what a terminal is sure not to have cut.
var longest = strings.Repeat("x", 4093)

func TestTwice(t *testing.T) {
	for name, c := range map[string]struct {
		typed       []string
		want, fault string
	}{
		"the same twice":         {[]string{"canary one\r", "canary one\r"}, "canary one", ""},
		"with corrections":       {[]string{"canarx\x7fy\r", "wrong\x15canary\r"}, "canary", ""},
		"letters of any kind":    {[]string{"ключ-\xff\r", "ключ-\xff\r"}, "ключ-\xff", ""},
		"in parts":               {[]string{"can\x04ary\r", "canary\r"}, "canary", ""},
		"two that differ":        {[]string{"canary\r", "canary2\r"}, "", "the two differ, nothing was changed"},
		"nothing":                {[]string{"\r", "\r"}, "", ""},
		"end of input":           {[]string{"\x04"}, "", "the input ended without a line"},
		"end after some letters": {[]string{"can\x04\x04"}, "", "the input ended without a line"},
		"end at the second":      {[]string{"canary\r", "\x04"}, "", "the input ended without a line"},
		"longest":                {[]string{longest + "\r", longest + "\r"}, longest, ""},
		"longer":                 {[]string{longest + "x\r"}, "", "cuts a line off after 4095 bytes"},
		"much longer":            {[]string{strings.Repeat("x", 9000) + "\r"}, "", "cuts a line off after 4095 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			person, program := term(t)
			before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			if err != nil {
				t.Fatal(err)
			}
			var out asked
			out.typed, out.person = c.typed, person
			got, err := Twice(t.Context(), program, &out, "Value of A")
			if string(got) != c.want || (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%q, %v, want %q, %q", got, err, c.want, c.fault)
			}
			after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
			if err != nil || *after != *before {
				t.Errorf("the terminal is %+v, was %+v, %v", after, before, err)
			}
			if text := out.String(); !strings.HasPrefix(text, "Value of A: \n") || strings.Contains(text, "canary") {
				t.Errorf("printed %q", text)
			}
		})
	}
}

// asked types an answer when a question is written.
type asked struct {
	bytes.Buffer
	typed  []string
	person *os.File
}

func (a *asked) Write(p []byte) (int, error) {
	if strings.HasSuffix(string(p), ": ") && len(a.typed) > 0 {
		if _, err := a.person.WriteString(a.typed[0]); err != nil {
			return 0, err
		}
		a.typed = a.typed[1:]
	}
	return a.Buffer.Write(p)
}

// An interrupt ends the question and gives the terminal back.
func TestInterrupt(t *testing.T) {
	person, program := term(t)
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := person.WriteString("canary"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var out bytes.Buffer
	if got, err := Hidden(ctx, program, &out, "Value: "); !errors.Is(err, ErrInterrupted) || len(got) > 0 {
		t.Errorf("%q, %v", got, err)
	}
	after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is %+v, was %+v, %v", after, before, err)
	}
	raw := *after
	raw.Lflag &^= unix.ICANON // what is left of a line counts then
	if err := unix.IoctlSetTermios(int(program.Fd()), unix.TCSETS, &raw); err != nil {
		t.Fatal(err)
	}
	if left, err := unix.IoctlGetInt(int(program.Fd()), unix.TIOCINQ); err != nil || left != 0 {
		t.Errorf("%d bytes are left for the shell, %v", left, err)
	}
}

// A terminal that has gone ends the question too.
func TestGone(t *testing.T) {
	person, program := term(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	time.AfterFunc(50*time.Millisecond, func() { person.Close() })
	if got, err := Hidden(ctx, program, &bytes.Buffer{}, "Value: "); err == nil || ctx.Err() != nil || len(got) > 0 {
		t.Errorf("%q, %v, %v", got, err, ctx.Err())
	}
}
