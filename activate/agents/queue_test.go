package agents

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCheckPrompt(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want string
	}{
		"plain":     {"do it", ""},
		"longest":   {strings.Repeat("a", MaxPrompt), ""},
		"too long":  {strings.Repeat("a", MaxPrompt+1), "at most 102400 bytes"},
		"empty":     {"", "must not be empty"},
		"blank":     {" \n\t", "must not be empty"},
		"nul":       {"a\x00b", "NUL"},
		"not UTF-8": {"a\xff", "UTF-8"},
	} {
		err := CheckPrompt(c.text)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestSendNumbersOn(t *testing.T) {
	f := newFleet(t)
	a, err := f.Agent("lead")
	must(t, err)
	for i, want := range []Queued{{"lead", 1, 0}, {"lead", 2, 1}, {"lead", 3, 2}} {
		got, err := f.Send(a, fmt.Sprintf("prompt %d", i))
		must(t, err)
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	path := filepath.Join(f.queueDir("lead"), "000002")
	text, err := os.ReadFile(path)
	must(t, err)
	st, err := os.Stat(path)
	must(t, err)
	if string(text) != "prompt 1" || st.Mode() != 0o440 {
		t.Errorf("%q with mode %v", text, st.Mode())
	}
	write(t, "2\n", f.Records("lead"), doneFile)
	if n := f.Waiting("lead"); n != 1 {
		t.Errorf("%d wait, want 1", n)
	}
	got, err := f.Send(a, "next")
	must(t, err)
	if d := cmp.Diff(Queued{"lead", 4, 1}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"000003", "000004"}, names(t, f.queueDir("lead"))); d != "" {
		t.Error("taken prompts are removed:", d)
	}
}

// The queue is empty after a reboot; a number that was taken must not come again.
func TestSendAfterReboot(t *testing.T) {
	f := newFleet(t)
	a, err := f.Agent("lead")
	must(t, err)
	write(t, "41", f.Records("lead"), doneFile)
	got, err := f.Send(a, "x")
	must(t, err)
	if got.Number != 42 {
		t.Errorf("number %d, want 42", got.Number)
	}
}

// EGR-E31: whatever the agent writes as its number, nothing is followed or waited for, and root's files stay its own.
func TestE31QueueNumber(t *testing.T) {
	for _, text := range []string{"-5", "999999999999999999999", "1e3", strings.Repeat("1", 4000), "x\x1b[2J", ""} {
		f := newFleet(t)
		a, err := f.Agent("lead")
		must(t, err)
		write(t, text, f.Records("lead"), doneFile)
		if got, err := f.Send(a, "x"); err != nil || got.Number != 1 {
			t.Errorf("%.20q: got %+v, %v", text, got, err)
		}
	}
	for name, plant := range map[string]func(path string) error{
		"link":   func(p string) error { return os.Symlink("/etc/hostname", p) },
		"fifo":   func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"folder": func(p string) error { return os.Mkdir(p, 0o700) },
	} {
		f := newFleet(t)
		a, err := f.Agent("lead")
		must(t, err)
		must(t, plant(filepath.Join(f.Records("lead"), doneFile)))
		if got, err := f.Send(a, "x"); err != nil || got.Number != 1 {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestSendIsBounded(t *testing.T) {
	f := newFleet(t)
	a, err := f.Agent("lead")
	must(t, err)
	for range maxWaiting {
		_, err := f.Send(a, "x")
		must(t, err)
	}
	if _, err := f.Send(a, "x"); err == nil || !strings.Contains(err.Error(), "100 prompts wait") {
		t.Errorf("got %v", err)
	}
	write(t, "999999", f.Records("lead"), doneFile)
	if _, err := f.Send(a, "x"); err == nil || !strings.Contains(err.Error(), "999999 is reached") {
		t.Errorf("got %v", err)
	}
}

func TestSendAtOnce(t *testing.T) {
	f := newFleet(t)
	a, err := f.Agent("lead")
	must(t, err)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := f.Send(a, "x"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := names(t, f.queueDir("lead")); len(got) != 20 || got[19] != "000020" {
		t.Errorf("got %v", got)
	}
}

func TestSendWithoutFolder(t *testing.T) {
	f := newFleet(t)
	a, err := f.Agent("worker")
	must(t, err)
	if _, err := f.Send(a, "x"); err == nil || !strings.Contains(err.Error(), "queue of worker") {
		t.Errorf("got %v", err)
	}
}
