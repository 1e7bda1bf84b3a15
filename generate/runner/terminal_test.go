//go:build linux

package runner

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"fleet/generate/model"
	"fleet/schemas/session"
)

// turning is a harness like Claude Code: its hook ends the turn and it goes on to wait for input.
func turning(script string) func(*model.Agent) {
	return func(a *model.Agent) {
		a.Harness = model.Harness{Name: "turning", Interactive: []string{"sh", "-c", "{ " + script + "; }; exec sleep 1000", "sh", "{{prompt}}"}, Limits: claudeLimits, TurnEnd: "stop-hook"}
	}
}

func TestStopHookEndsTheSession(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"turn":        {`echo "$1"; : >"$FLEET_OWN/turn"`, session.OK},
		"failed turn": {`echo '{"error":"billing_error"}' >"$FLEET_OWN/turn.failed"`, session.Failed},
		"limit":       {`echo "{\"last_assistant_message\":\"You've hit your 5-hour limit · resets 3pm (UTC)\"}" >"$FLEET_OWN/turn.failed"`, session.Limit},
		"ends itself": {`exit 0`, session.OK},
		"breaks down": {`exit 5`, session.Failed},
		"is killed":   {`kill -s KILL $$`, session.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newHost(t, one("interactive", turning(c.script))).start()
			p.until("a pause", func() bool { return p.now().State == session.Pausing })
			if got := p.sessions()[0]; got.Result != c.want || got.End.Sub(got.Start) > 15*time.Second {
				t.Errorf("%+v, want %s\n%s", got, c.want, p.out.String())
			}
			p.stop()
		})
	}
}

// The heartbeat of a harness with hooks is the hooks' alone, that of another one follows what it prints.
func TestHeartbeat(t *testing.T) {
	loud := func(a *model.Agent) {
		turning("while date; do sleep 1; done")(a)
		a.Harness.TurnEnd = "exit"
	}
	for name, c := range map[string]struct {
		change func(*model.Agent)
		want   bool // it beats in the session
	}{
		"prints":             {loud, true},
		"is silent":          {func(a *model.Agent) { turning("true")(a); a.Harness.TurnEnd = "exit" }, false},
		"prints, with hooks": {turning("while date; do sleep 1; done"), false},
		"hooks":              {turning(`while : >"$FLEET_OWN/beat"; do sleep 1; done`), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newHost(t, one("interactive", c.change)).start()
			p.until("work", func() bool { return p.now().State == session.Working })
			time.Sleep(3 * time.Second)
			before, err := os.Stat(p.at(p.own("beat")))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(7 * time.Second) // it looks every five
			after, err := os.Stat(p.at(p.own("beat")))
			if err != nil {
				t.Fatal(err)
			}
			if got := after.ModTime().After(before.ModTime()); got != c.want {
				t.Errorf("beats: %v, want %v\n%s", got, c.want, p.out.String())
			}
			p.stop()
		})
	}
}

// While somebody types into the terminal, the end of a turn does not end the session.
func TestSessionWaitsForWhoTypes(t *testing.T) {
	t.Parallel()
	p := newHost(t, one("interactive", turning(`read -r line; echo "got $line"; : >"$FLEET_OWN/turn"`))).start()
	p.until("a terminal", func() bool {
		return exec.Command("tmux", "-S", p.at(p.own("tmux")), "has-session").Run() == nil
	})
	client := exec.Command("tmux", "-S", p.at(p.own("tmux")), "attach-session")
	client.Env = append(os.Environ(), "TERM=xterm", "TMUX=")
	tty, err := pty.Start(client)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	go io.Copy(io.Discard, tty) //nolint:errcheck // ends with the client
	time.Sleep(time.Second)
	if _, err := tty.WriteString("hello\n"); err != nil {
		t.Fatal(err)
	}
	p.until("the end of the turn", func() bool { return p.exists(p.own("turn")) })
	time.Sleep(4 * time.Second)
	if p.now().State != session.Working {
		t.Errorf("the session ended under the hands of who typed\n%s", p.out.String())
	}
	if _, err := tty.WriteString("\x02d"); err != nil { // detaches
		t.Fatal(err)
	}
	p.until("a pause", func() bool { return p.now().State == session.Pausing })
	if log := p.read(p.records("sessions/1.log")); !strings.Contains(log, "got hello") {
		t.Errorf("transcript: %s", log)
	}
	p.stop()
}

// A second session takes the place of the first in the same terminal, so that who watches stays attached.
func TestTerminalOutlivesSessions(t *testing.T) {
	t.Parallel()
	p := newHost(t, one("interactive", func(a *model.Agent) { a.Iteration.Day = time.Second })).start()
	server := func() string {
		out, _ := exec.Command("tmux", "-S", p.at(p.own("tmux")), "display-message", "-p", "#{pid} #{pane_id}").Output()
		return string(out)
	}
	p.until("a pause", func() bool { return len(p.sessions()) >= 1 })
	first := server()
	p.until("two more", func() bool { return len(p.sessions()) >= 3 })
	if got := server(); first == "" || got != first {
		t.Errorf("terminal %q, then %q", first, got)
	}
	p.stop()
}

// A program whose hooks do not tell of a failed turn shows why, and stands still.
func TestTerminalTellsFailedTurn(t *testing.T) {
	for name, c := range map[string]struct {
		script, want string
		ends         bool
	}{
		"failure":              {`echo "■ no model"`, session.Failed, true},
		"failure, with a hook": {`: >"$FLEET_OWN/turn"; echo "■ no model"`, session.Failed, true},
		"hook":                 {`: >"$FLEET_OWN/turn"; echo "no ■ model"`, session.OK, true},
		"waits for long":       {`i=0; while echo "◦$i waiting for a limit (${i}s)"; do i=$((i + 1)); sleep 1; clear; done`, session.Failed, true},
		"waits and works":      {`w=; while echo "waiting for a limit $w"; do w=${w}x; sleep 1; clear; done`, "", false},
		"limit":                {`echo "■ Claude AI usage limit reached|9999999999"`, session.Limit, true},
		"another text":         {`echo "no ■ model"`, "", false},
		"it works instead":     {`echo "■ no model"; while date; do sleep 1; done`, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newHost(t, one("interactive", turning(c.script), func(a *model.Agent) {
				a.Harness.TurnFailed = []model.TurnFailed{{Match: "never"}, {Match: "^■ "}, {Match: "waiting for a limit", Still: 10 * time.Second}}
			})).start()
			if !c.ends {
				p.until("work", func() bool { return p.now().State == session.Working })
				time.Sleep(20 * time.Second) // it looks every five
				if p.now().State != session.Working {
					t.Errorf("the session has ended\n%s", p.out.String())
				}
			} else {
				p.until("a pause", func() bool { return p.now().State == session.Pausing })
				if got := p.sessions()[0]; got.Result != c.want {
					t.Errorf("%+v, want %s\n%s", got, c.want, p.out.String())
				}
			}
			p.stop()
		})
	}
}

// A headless program that does not end by itself after a failed turn is ended, whether a hook tells of that or its output.
func TestHeadlessFailedTurn(t *testing.T) {
	for name, script := range map[string]string{
		"hook":   `echo "hit your limit" >"$FLEET_OWN/turn.failed"; exec sleep 1000`,
		"output": `echo "hit your limit, waiting"; exec sleep 1000`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newHost(t, one("headless", func(a *model.Agent) {
				a.Harness = model.Harness{
					Name: "x", Headless: []string{"sh", "-c", script}, Limits: claudeLimits, TurnEnd: "stop-hook",
					TurnFailed: []model.TurnFailed{{Match: "limit"}, {Match: "limit, waiting", Still: 10 * time.Second}},
				}
			})).start()
			p.until("a pause", func() bool { return p.now().State == session.Pausing })
			if got := p.sessions()[0]; got.Result != session.Limit {
				t.Errorf("%+v\n%s", got, p.out.String())
			}
			p.stop()
		})
	}
}
