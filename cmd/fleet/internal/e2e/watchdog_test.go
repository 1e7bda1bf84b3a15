//go:build machine

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
	"fleet/schemas/session"
	"fleet/schemas/status"
)

// shell is a harness that runs its prompt as a script. Silent as it is, its heartbeat is what it prints.
const shell = `{ harnesses: { sh: { headless: ['sh', '-c', '{{prompt}}'], turnEnd: 'exit' } } }`

// quick is a watchdog that looks every five seconds.
const quick = `{ watchdog: { every: '5s', stalledAfter: '10s', failuresBeforeAlert: 2 } }`

// alerts are what the watchdog has said with priority err.
func (h *Host) alerts() string {
	h.t.Helper()
	return h.MustRun("journalctl", "-q", "-o", "cat", "-p", "err", "-u", "fleet-"+Project+"-watchdog.service")
}

func (h *Host) eventuallyAlerts(text string) {
	h.t.Helper()
	h.Eventually("alert "+text, time.Minute, func() error {
		if got := h.alerts(); !strings.Contains(got, text) {
			return fmt.Errorf("alerts: %s", got)
		}
		return nil
	})
}

// left is the status that the watchdog leaves.
func (h *Host) left() (*status.Status, error) {
	return status.Parse([]byte(h.ReadFile("/run/fleet/" + Project + "/status.json")))
}

func (h *Host) eventuallyLeft(what string, ok func(*status.Status) bool) {
	h.t.Helper()
	h.Eventually(what, time.Minute, func() error {
		s, err := h.left()
		if err != nil || !ok(s) {
			return fmt.Errorf("%w, %+v", err, s)
		}
		return nil
	})
}

// The watchdog brings back what died and what stands still, tells of it once, and once more when it is over.
func TestWatchdog(t *testing.T) {
	t.Parallel()
	h := New(t, machinetest.Options{})
	const a, b = "fleet-demo-a.service", "fleet-demo-b.service"
	h.Switch(h.Build(Spec(shell, quick, `{ agents: { a: {}, b: { harness: 'sh', mode: 'headless', prompt: 'sleep 3000' } } }`)))
	h.Eventually("a first look", time.Minute, func() error {
		_, exit := h.Try("test", "-e", "/run/fleet/demo/status.json")
		return exitError(exit)
	})
	if got := h.MustRun("stat", "-c", "%a %U %G", "/run/fleet/demo/status.json"); got != "640 root fleet-operators" {
		t.Errorf("status.json is %s", got)
	}

	// b prints nothing for longer than it may.
	first := h.InvocationID(b)
	h.Eventually("a restart of b", time.Minute, func() error {
		if h.InvocationID(b) == first {
			return fmt.Errorf("no restart")
		}
		return nil
	})
	h.eventuallyAlerts("ALERT: agent b is stalled")
	if n := strings.Count(h.alerts(), "ALERT: agent b"); n != 1 {
		t.Errorf("%d alerts of b", n)
	}
	// a pauses for ten minutes: that is no stall.
	if strings.Contains(h.alerts(), "agent a") || h.Show(a, "NRestarts")["NRestarts"] != "0" {
		t.Errorf("a: %s", h.alerts())
	}

	h.kill(a)
	h.Eventually("a is back", time.Minute, func() error {
		if out, exit := h.Try("systemctl", "is-active", a); exit != 0 {
			return fmt.Errorf("%s", out)
		}
		return nil
	})
	h.eventuallyLeft("a is well", func(s *status.Status) bool { return s.Agents[0].Healthy && s.Agents[0].State == status.Pausing })

	h.MustRun("fleet", "stop", "a", "b")
	h.eventuallyLeft("all is stopped", func(s *status.Status) bool {
		return s.Healthy && s.Agents[0].State == status.Stopped && s.Agents[1].State == status.Stopped
	})
	time.Sleep(11 * time.Second) // two looks
	for _, unit := range []string{a, b} {
		if got := h.Show(unit, "ActiveState")["ActiveState"]; got != "inactive" && got != "failed" {
			t.Errorf("%s was stopped by a person and is %s", unit, got)
		}
	}
}

func exitError(exit int) error {
	if exit == 0 {
		return nil
	}
	return fmt.Errorf("exit status %d", exit)
}

// kill ends a unit so that systemd does not start it again.
func (h *Host) kill(unit string) {
	h.t.Helper()
	h.WriteFile("/run/systemd/system/"+unit+".d/dead.conf", "[Service]\nRestart=no\n", 0o644)
	h.MustRun("systemctl", "daemon-reload")
	h.MustRun("systemctl", "kill", "--signal=KILL", unit)
	h.MustRun("rm", "-r", "/run/systemd/system/"+unit+".d")
	h.MustRun("systemctl", "daemon-reload")
}

// An agent that cannot even start ends as a stopped agent and an alert, not as a hot host.
func TestWatchdogStopsACrashLoop(t *testing.T) {
	t.Parallel()
	h := New(t, machinetest.Options{})
	const a = "fleet-demo-a.service"
	h.Switch(h.Build(Spec(quick)))
	h.WriteFile("/run/systemd/system/"+a+".d/bad.conf", "[Service]\nRestartSec=1s\nExecStartPre=/bin/false\n", 0o644)
	h.MustRun("systemctl", "daemon-reload")
	h.MustRun("systemctl", "kill", "--signal=KILL", a)
	// Its windows are five minutes long; the test makes them shorter by setting their beginning back.
	h.Eventually("an end", 2*time.Minute, func() error {
		h.Sh(`f=/run/fleet/demo/watchdog/a.window; [ ! -e $f ] || { sleep 6; echo 1 >$f; }`)
		_, exit := h.Try("test", "-e", "/var/lib/fleet/demo/stopped/a")
		return exitError(exit)
	})
	h.eventuallyAlerts("ALERT: agent a is stopped: crash loop")
	if got := h.Show(a, "ActiveState")["ActiveState"]; got != "inactive" && got != "failed" {
		t.Errorf("it is %s", got)
	}
	h.MustRun("rm", "-r", "/run/systemd/system/"+a+".d")
	h.MustRun("systemctl", "daemon-reload")
	h.MustRun("fleet", "start", "a")
	if got := h.MustRun("systemctl", "is-active", a); got != "active" {
		t.Errorf("after fleet start it is %s", got)
	}
}

// Jobs run by their timer in the agent's own containment, never beside a session, and leave a record.
func TestSchedule(t *testing.T) {
	t.Parallel()
	h := New(t, machinetest.Options{})
	h.Switch(h.Build(Spec(`{ agents: { b: {}, a: { schedules: { tick: { calendar: '*-*-* *:*:00', prompt: 'demo: print tick' } } } } }`)))
	if exit, out, errOut := h.Fleet("trigger", "a", "tick"); exit != 0 {
		t.Fatalf("fleet trigger: exit status %d\n%s%s", exit, out, errOut)
	}
	h.Eventually("a job by hand and one by the timer", 2*time.Minute, func() error {
		var n int
		text, _ := h.Try("cat", "/var/lib/fleet/demo/records/a/sessions.jsonl")
		records := session.All([]byte(text))
		for i, r := range records {
			if i > 0 && r.Start.Before(records[i-1].End) {
				t.Fatalf("two at once: %+v", records)
			}
			if r.Kind == session.KindJob && r.Job == "tick" && r.Result == session.OK {
				n++
			}
		}
		if n < 2 {
			return fmt.Errorf("records: %+v", records)
		}
		return nil
	})
	if got := h.Show("fleet-demo-a-job-tick.service", "Result")["Result"]; got != "success" {
		t.Errorf("the unit of the job: %s", got)
	}
}
