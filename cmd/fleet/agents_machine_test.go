//go:build machine

package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/schemas/status"
)

// daily is a fleet as a person has it: a works for a quarter of a minute a session and has a job and a signing key, b is quick,
// off is disabled.
const daily = `{ operators: { group: 'ops' }, agents+: {
  a+: { prompt: 'demo: sleep 15', iteration: '5s', git: { name: 'Atlas', email: 'a@example.org', signing: true },
        schedules: { nightly: { calendar: 'daily', prompt: 'demo: print tidied', session: '2m' },
                     broken: { calendar: 'daily', prompt: 'demo: exit 3', session: '2m' } } },
  b+: { iteration: '3s' },
  off: { enabled: false },
} }`

// What a person does with agents in a day, on one machine.
func TestAgentsDaily(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	h.Switch(h.Build(e2e.Spec(daily)))
	h.Eventually("records", time.Minute, func() error {
		if s := live(h); s.agent("b").Session == nil {
			return fmt.Errorf("b has none: %+v", s.agent("b"))
		}
		return nil
	})
	for _, c := range []struct {
		name string
		run  func(*testing.T, *e2e.Host)
	}{
		{"status", dailyStatus},
		{"detail", dailyDetail},
		{"without root", dailyWithoutRoot},
		{"wrong keys", dailyWrongKeys},
		{"send", dailySend},
		{"logs", dailyLogs},
		{"jobs", dailyJobs},
		{"graceful", dailyGraceful},
		{"restart", dailyRestart},
		{"stop", dailyStop},
		{"stubborn", dailyStubborn},
		{"watch", dailyWatch},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, h.On(t)) })
	}
}

// seen is a status with look-ups.
type seen struct {
	status.Status
	exit int
	text string
}

func (s seen) agent(key string) status.Agent {
	for _, a := range s.Agents {
		if a.Key == key {
			return a
		}
	}
	return status.Agent{}
}

// live runs fleet status --json.
func live(h *e2e.Host, args ...string) seen {
	exit, out, errOut := h.Fleet(append([]string{"status", "--json"}, args...)...)
	s := seen{exit: exit, text: out + errOut}
	if err := json.Unmarshal([]byte(out), &s.Status); err != nil {
		s.text += err.Error()
	}
	return s
}

// tool runs the program and wants an exit status. It returns all that was printed.
func tool(t *testing.T, h *e2e.Host, want int, args ...string) string {
	t.Helper()
	exit, out, errOut := h.Fleet(args...)
	if exit != want {
		t.Fatalf("fleet %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), exit, want, errOut, out)
	}
	return errOut + out
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !regexp.MustCompile(p).MatchString(text) {
			t.Errorf("no %q in:\n%s", p, text)
		}
	}
}

// working waits until a session of a has begun, so that it goes on for some seconds.
func working(h *e2e.Host) seen {
	var s seen
	before := live(h).agent("a").Session
	h.Eventually("a begins a session", time.Minute, func() error {
		s = live(h)
		if a := s.agent("a"); a.State != status.Working || before != nil && a.Session != nil && a.Session.N == before.N {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})
	return s
}

func dailyStatus(t *testing.T, h *e2e.Host) {
	s := working(h)
	if s.exit != 0 || !s.Healthy || len(s.Drift) > 0 || len(s.Reasons) > 0 {
		t.Errorf("exit status %d: %s", s.exit, s.text)
	}
	if s.Generation.Number != 1 || s.Generation.State != status.Confirmed || s.Generation.Boot != 1 {
		t.Errorf("generation %+v", s.Generation)
	}
	if a := s.agent("a"); a.State != status.Working || a.Session == nil || a.LastBeat.IsZero() {
		t.Errorf("a: %+v", a)
	}
	if off := s.agent("off"); off.State != status.Disabled || !off.Healthy {
		t.Errorf("off: %+v", off)
	}
	wants(t, tool(t, h, 0, "status"), `project demo   generation 1 \([0-9a-f]{8}, active \d+ (s|min), booted\)   drift: none`,
		`(?m)^AGENT +STATE +SESSION +LAST BEAT +GATE +EGRESS 24h +MEMORY +NEXT$`, `(?m)^a +working +#\d+, \d+ s`, `(?m)^off +disabled +-`)
}

func dailyDetail(t *testing.T, h *e2e.Host) {
	key := h.MustRun("cat", "/var/lib/fleet/demo/keys/a/sign.pub")
	wants(t, tool(t, h, 0, "status", "a"), `agent a of project demo: working, session #\d+`, `user +demo-a, uid \d{5}`,
		`isolation +namespace, exposure [01]\.\d`, `git +Atlas <a@example\.org>`, regexp.QuoteMeta("signing    "+key), `nightly +in \d+`,
		`firewall +rejected \d+ packets`)
	s := live(h, "a")
	if len(s.Agents) != 1 || s.Agents[0].Detail == nil || s.Agents[0].Detail.Git.PublicKey != key || len(s.Agents[0].Detail.Jobs) != 2 {
		t.Errorf("got %s", s.text)
	}
}

func dailyWithoutRoot(t *testing.T, h *e2e.Host) {
	h.Sh(`useradd -M -G ops olga; useradd -M nina; systemctl start fleet-demo-watchdog.service`)
	as := func(user, command string) (string, int) {
		return h.Try("setpriv", "--reuid="+user, "--regid="+user, "--init-groups", "sh", "-c", command)
	}
	out, exit := as("olga", "fleet status")
	if exit != 0 {
		t.Errorf("operator: exit status %d", exit)
	}
	wants(t, out, `(?m)^a +working`, `as the watchdog saw it \d+ s ago`)
	out, exit = as("nina", "fleet status")
	if exit != exitRefused {
		t.Errorf("anybody: exit status %d", exit)
	}
	wants(t, out, `sudo fleet status`)
	out, exit = as("olga", "fleet stop a")
	if exit != exitRefused {
		t.Errorf("stop: exit status %d", exit)
	}
	wants(t, out, `needs root`, `hint: sudo fleet stop a`)
	if out, _ := as("olga", "fleet __complete stop ''"); !strings.HasPrefix(out, "a\nb\noff\n") {
		t.Errorf("completion: %q", out)
	}
}

func dailyWrongKeys(t *testing.T, h *e2e.Host) {
	for _, args := range [][]string{{"stop", "z"}, {"start", "a", "z"}, {"send", "z", "x"}, {"logs", "z"}, {"jobs", "z"}, {"status", "z"}} {
		wants(t, tool(t, h, exitUsage, args...), `no agent "z"`, `there are: a, b, off`)
	}
	for _, args := range [][]string{{"start", "off"}, {"restart", "off"}, {"send", "off", "x"}, {"trigger", "off", "nightly"}} {
		wants(t, tool(t, h, exitRefused, args...), `is disabled in the live generation`)
	}
	wants(t, tool(t, h, exitUsage, "trigger", "a", "never"), `no schedule "never"`, `it has: broken, nightly`)
}

func dailySend(t *testing.T, h *e2e.Host) {
	wants(t, tool(t, h, 0, "send", "b", "demo: print one"), `queued as prompt \d+ of b`)
	tool(t, h, 0, "send", "b", "demo: print two")
	h.Eventually("both prompts were worked on, in order", time.Minute, func() error {
		out := h.ReadFile("/var/lib/fleet/demo/records/b/sessions.jsonl")
		if !regexp.MustCompile(`(?s)"prompt":1,.*"prompt":2,`).MatchString(out) {
			return fmt.Errorf("records: %s", out)
		}
		return nil
	})
	if out := h.MustRun("stat", "-c", "%A %U %G", "/run/fleet/demo/b/queue"); out != "drwxr-x--- root demo-b" {
		t.Errorf("queue: %s", out)
	}
}

func dailyLogs(t *testing.T, h *e2e.Host) {
	out := tool(t, h, 0, "logs", "b", "-n", "50")
	wants(t, out, `(?m)^SESSION +KIND`, `(?m)^#\d+ +session .* ok`, `session \d+ begins`)
	n := regexp.MustCompile(`(?m)^#(\d+) `).FindStringSubmatch(out)[1]
	wants(t, tool(t, h, 0, "logs", "b", "--session", n), `I am b of demo, session `+n)
	wants(t, tool(t, h, exitFailed, "logs", "b", "--session", "99999"), `no transcript of a session 99999`)
	follow, _ := h.Try("timeout", "8", "fleet", "logs", "b", "-n", "1", "--follow")
	wants(t, follow, `session \d+ begins`)
}

func dailyJobs(t *testing.T, h *e2e.Host) {
	tool(t, h, 0, "restart", "a") // its session in progress would keep the job waiting
	wants(t, tool(t, h, 0, "jobs"), `(?m)^a +broken +in \d+ (h|min) +-`, `(?m)^a +nightly +in \d+ (h|min) +-`)
	wants(t, tool(t, h, 0, "trigger", "a", "nightly"), `job nightly of a: ok after \d+s, session \d+`)
	wants(t, tool(t, h, exitFailed, "trigger", "a", "broken"), `broken of a`)
	wants(t, tool(t, h, 0, "jobs", "a"), `nightly +in .* ago +ok`, `broken +in .* ago +failed`)
	out := tool(t, h, 0, "trigger", "a", "nightly", "--no-wait")
	wants(t, out, `has started`)
	wants(t, tool(t, h, exitRefused, "trigger", "a", "nightly"), `runs already`)
}

// ACT-A11: graceful ends a session at its boundary, and status says who is waited for.
func dailyGraceful(t *testing.T, h *e2e.Host) {
	working(h)
	before := h.InvocationID("fleet-demo-a.service")
	wants(t, tool(t, h, 0, "restart", "--graceful", "a"), `a: told to end, starts again when session \d+ has ended`)
	if s := live(h); s.agent("a").State != status.Waiting || !s.Healthy {
		t.Errorf("a is %+v", s.agent("a"))
	}
	wants(t, tool(t, h, 0, "status"), `waiting: a: restarts when session \d+ has ended`)
	if h.InvocationID("fleet-demo-a.service") != before {
		t.Error("its session was not waited for")
	}
	h.Eventually("a is started again", 90*time.Second, func() error {
		if s := live(h); h.InvocationID("fleet-demo-a.service") == before || s.agent("a").State == status.Waiting {
			return fmt.Errorf("a is %+v", s.agent("a"))
		}
		return nil
	})
}

func dailyRestart(t *testing.T, h *e2e.Host) {
	before := h.Invocations()
	wants(t, tool(t, h, 0, "restart"), `restart all agents of demo: a, b`, `(?m)^a: restarted$`, `(?m)^b: restarted$`)
	after := h.Invocations()
	for _, unit := range []string{"fleet-demo-a.service", "fleet-demo-b.service"} {
		if after[unit] == before[unit] {
			t.Errorf("%s was not restarted", unit)
		}
	}
	e2e.Untouched(t, before, after, "fleet-demo-a.service", "fleet-demo-b.service", "fleet-demo-a-sign.service", "fleet-demo-watchdog.service")
}

// ACT-A26: who was stopped stays so over the watchdog, systemctl and a reboot.
func dailyStop(t *testing.T, h *e2e.Host) {
	wants(t, tool(t, h, 0, "stop", "a"), `(?m)^a: stopped$`)
	stopped := func(when string) {
		t.Helper()
		if got := h.Show("fleet-demo-a.service", "ActiveState")["ActiveState"]; got != "inactive" {
			t.Errorf("%s a is %s", when, got)
		}
		if a := live(h).agent("a"); a.State != status.Stopped || !a.Healthy {
			t.Errorf("%s: %+v", when, a)
		}
	}
	stopped("after stop")
	h.MustRun("systemctl", "start", "fleet-demo-watchdog.service", "fleet-demo-a.service")
	stopped("after the watchdog and systemctl start")
	wants(t, tool(t, h, exitFailed, "restart", "a"), `a: is stopped`)
	wants(t, tool(t, h, 0, "restart"), `a: unchanged, a person stopped it`)
	wants(t, tool(t, h, exitRefused, "trigger", "a", "nightly"), `is stopped, and so are its jobs`)
	h.MustReboot()
	h.Eventually("b runs after the boot", time.Minute, func() error {
		if b := live(h).agent("b"); b.State != status.Working && b.State != status.Pausing {
			return fmt.Errorf("%+v", b)
		}
		return nil
	})
	stopped("after a boot")
	wants(t, tool(t, h, 0, "start", "a"), `(?m)^a: started$`)
	wants(t, tool(t, h, 0, "start"), `a: unchanged, runs already`)
}

// An agent whose processes trap every signal, and leave the session, is stopped in time.
func dailyStubborn(t *testing.T, h *e2e.Host) {
	h.Sh(`cat >/run/stubborn <<'END'
[Service]
ExecStart=
ExecStart=/bin/sh -c 'trap "" TERM HUP INT; (setsid sh -c "trap \"\" TERM HUP; sleep 600; sleep 600" &) ; while :; do sleep 1; done'
TimeoutStopSec=900
END
mkdir -p /run/systemd/system/fleet-demo-b.service.d; cp /run/stubborn /run/systemd/system/fleet-demo-b.service.d/x.conf
systemctl daemon-reload`)
	tool(t, h, 0, "restart", "b")
	began := time.Now()
	wants(t, tool(t, h, 0, "stop", "b"), `fleet-demo-b.service does not stop: killed`, `(?m)^b: stopped$`)
	if took := time.Since(began); took > 60*time.Second {
		t.Errorf("stop took %s", took)
	}
	if out, _ := h.Try("pgrep", "-u", "demo-b"); out != "" {
		t.Errorf("processes of b are left: %s", out)
	}
	h.Sh(`rm -r /run/systemd/system/fleet-demo-b.service.d; systemctl daemon-reload`)
	tool(t, h, 0, "start", "b")
}

func dailyWatch(t *testing.T, h *e2e.Host) {
	out, _ := h.Try("timeout", "-s", "INT", "6", "fleet", "status", "--watch")
	if n := strings.Count(out, "project demo"); n < 2 || n > 4 {
		t.Errorf("%d pictures in six seconds:\n%s", n, out)
	}
	out, _ = h.Try("timeout", "-s", "INT", "3", "fleet", "status", "--watch", "--json")
	for line := range strings.Lines(out) {
		if _, err := status.Parse([]byte(line)); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
}
