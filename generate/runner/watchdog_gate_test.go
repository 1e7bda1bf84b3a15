//go:build linux

package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"fleet/generate/model"
	"fleet/schemas/status"
)

// look sets what the gates' program tells of lead.
func (d dog) look(words string) { d.write("/fake/look", "lead "+words+"\n") }

// policy puts a policy into the live generation and returns its hash.
func (d dog) policy(text string) string {
	d.t.Helper()
	d.write("/run/fleet/demo/active/agents/lead/policy.json", text)
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestWatchdogGate(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	hash := d.policy("{}")
	beat := -100
	for want, words := range map[status.Gate]string{
		{State: "idle"}: "idle 5 1 0 1 0 - - 0 0 0",
		{State: "active", Mode: "enforce", Open: 3}:   "active 5 1 0 1 3 enforce " + hash + " 0 0 0",
		{State: "bypass", Mode: "report", Seconds: 9}: "active 5 1 0 1 0 report " + hash + " 9 0 0",
	} {
		d.look(words)
		beat++
		d.beat(beat)
		said, did := d.run()
		d.expect(words, said+did)
		lead := d.lead()
		if lead.Gate == nil || *lead.Gate != want || !lead.Healthy || *lead.Egress != (status.Egress{Allowed: 5, Denied: 1}) {
			t.Errorf("%s: %+v, %+v", words, lead.Gate, lead.Egress)
		}
	}
	d.write("/var/lib/fleet/demo/egress/cut/lead", "by ann\n")
	d.beat(1)
	said, did := d.run()
	d.expect("cut", said+did)
	if lead := d.lead(); lead.Gate.State != "cut" || lead.Healthy || d.status().Healthy || !strings.Contains(lead.Reason, "restore") {
		t.Errorf("%+v", lead)
	}
	os.Remove(d.at("/var/lib/fleet/demo/egress/cut/lead"))
	d.look("silent 5 1 0 1 0 - - 0 0 0")
	d.beat(2)
	d.run()
	if lead := d.lead(); lead.Gate.State != "failed" || lead.Healthy || lead.Reason != "its gate does not answer" {
		t.Errorf("%+v", lead)
	}
}

// EGR-H8: a gate whose records the journal does not take is told of, by an alert too, and so is the end of that.
func TestWatchdogTellsOfMuteGates(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	const mute = "the gate of agent lead allows nothing new: the journal takes none of its records"
	for i, c := range []struct{ way, says, state string }{
		{"mute", "<4>fleet demo: " + mute, "failed"},
		{"mute", "<3>fleet demo: ALERT: " + mute, "failed"},
		{"active", "<3>fleet demo: RECOVERED: the journal takes the records of agent lead", "active"},
	} {
		d.look(c.way + " 5 1 0 1 0 enforce - 0 0 0")
		d.beat(i + 1)
		said, _ := d.run()
		if !strings.Contains(said, c.says) {
			t.Errorf("%d: says %q", i, said)
		}
		if lead := d.lead(); lead.Gate.State != c.state || lead.Healthy != (c.state == "active") {
			t.Errorf("%d: %+v", i, lead)
		}
	}
}

func TestWatchdogMendsGates(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	d.write("/fake/fleet-demo-lead-gate.socket", "failed")
	d.beat(1)
	said, did := d.run()
	d.expect("failed socket", said, "<4>fleet demo: the gate of agent lead has failed: starting it again")
	d.expect("failed socket", did, "reset-failed fleet-demo-lead-gate.service fleet-demo-lead-gate.socket\nrestart fleet-demo-lead-gate.socket\n")
	if lead := d.lead(); lead.Gate.State != "failed" || lead.Healthy {
		t.Errorf("%+v", lead)
	}
	d.beat(2)
	said, _ = d.run()
	d.expect("again", said, "<3>fleet demo: ALERT: the gate of agent lead has failed")
	d.write("/fake/fleet-demo-lead-gate.socket", "active")
	d.beat(3)
	said, did = d.run()
	d.expect("mended", said+did, "<3>fleet demo: RECOVERED: the gate of agent lead\n")
	d.write("/fake/fleet-demo-lead-gate.service", "failed")
	d.beat(4)
	_, did = d.run()
	d.expect("failed service", did, "restart fleet-demo-lead-gate.socket\n")
	d.write("/fake/fleet-demo-lead-gate.service", "activating\nauto-restart") // its sockets were closed
	d.beat(4)
	_, did = d.run()
	d.expect("service that does not come up", did, "restart fleet-demo-lead-gate.socket\n")
	d.write("/fake/fleet-demo-lead-gate.service", "inactive")
	d.write("/fake/fleet-demo-lead-gate.socket", "inactive")
	d.beat(5)
	said, did = d.run()
	d.expect("stopped by a person", strings.ReplaceAll(said, "RECOVERED", "")+did)
	if lead := d.lead(); lead.Healthy || lead.Reason != "the sockets of its gate are stopped" {
		t.Errorf("%+v", lead)
	}

	hash := d.policy("{}")
	d.write("/fake/fleet-demo-lead-gate.socket", "active")
	d.look("active 0 0 0 0 0 enforce " + strings.Repeat("a", 64) + " 0 0 0")
	d.beat(6)
	said, did = d.run()
	d.expect("other policy", said, "has another policy than the generation: reloading it")
	d.expect("other policy", did, "reload fleet-demo-lead-gate.service\n")
	if lead := d.lead(); !lead.Gate.Stale || lead.Healthy {
		t.Errorf("%+v", lead)
	}
	d.look("active 0 0 0 0 0 enforce " + hash + " 0 0 0")
	d.beat(7)
	said, did = d.run()
	d.expect("the generation's", said+did)
}

func TestWatchdogTellsOfDenials(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	for i, c := range []struct {
		total int
		say   string
	}{
		{1000, ""},
		{1049, ""},
		{1099, "<3>fleet demo: ALERT: agent lead was denied 50 requests since the last look"},
		{2000, ""},
		{2001, "<3>fleet demo: RECOVERED: agent lead is denied less"},
		{5, ""},
		{60, "ALERT: agent lead was denied 55"},
	} {
		d.look(fmt.Sprintf("idle 0 0 0 %d 0 - - 0 0 0", c.total))
		d.beat(i)
		said, did := d.run()
		if c.say == "" {
			d.expect(fmt.Sprint(c.total), said+did)
		} else {
			d.expect(fmt.Sprint(c.total), said, c.say)
		}
	}
	if lead := d.lead(); lead.Healthy || lead.Reason != "55 requests were denied since the last look" {
		t.Errorf("%+v", lead)
	}
}

// F8: a placeholder where it does not belong is told at once, and each time again; also when the first look comes after it.
func TestCATF8WatchdogTellsOfPlaceholders(t *testing.T) {
	t.Parallel()
	d := newDog(t)
	const alert = "<3>fleet demo: ALERT: agent lead sent the placeholder of a secret where it does not belong, "
	for i, c := range []struct{ words, say string }{
		{"9 0", ""}, // all of it long ago
		{"9 0", ""},
		{"10 1", alert + "1 times since the last look"},
		{"13 4", alert + "3 times since the last look"},
		{"13 4", "<3>fleet demo: RECOVERED: agent lead sends no placeholder where it does not belong any more"},
		{"13 0", ""},
		{"2 2", alert + "2 times"}, // its counts were lost
		{"3 3", alert + "1 times"},
	} {
		d.look("idle 0 0 0 0 0 - - 0 " + c.words)
		d.beat(i)
		said, did := d.run()
		if c.say == "" {
			d.expect(fmt.Sprint(i, c.words), said+did)
		} else {
			d.expect(fmt.Sprint(i, c.words), said, c.say)
		}
	}
	if lead := d.lead(); lead.Healthy || !strings.HasPrefix(lead.Reason, "it sent the placeholder of a secret") {
		t.Errorf("%+v", lead)
	}
	d = newDog(t)
	d.look("idle 0 0 0 0 0 - - 0 7 2")
	d.beat(1)
	said, _ := d.run()
	d.expect("first look", said, alert+"2 times")
}

// Whatever the program prints, words that are none change nothing.
func TestWatchdogGateWords(t *testing.T) {
	t.Parallel()
	for _, words := range []string{"", "active", "idle a b c d e - - f", "idle 5 1 0 99999999999999 0 - - 0 0 0", "idle 5 1 0 1 0 - - 0 99999999999999 9", "idle 5 1 0 1 0 - - 0 x y", "idle 5 1 0 1 0 - - 0 9", "idle 5 1 0 -1 0 - - 0 0 0"} {
		d := newDog(t)
		d.look(words)
		said, did := d.run()
		d.expect(words, said+did)
		d.status()
	}
}

// The way out of a sidecar is looked after as an agent's is, and told of among the reasons.
func TestWatchdogSidecar(t *testing.T) {
	t.Parallel()
	d := newDog(t, func(m *model.Fleet) {
		m.Sidecars = []model.Sidecar{{Box: model.Agent{Key: "sidecar-deploy"}, Name: "deploy"}}
	})
	tell := func(words string) { d.write("/fake/look", "sidecar-deploy "+words+"\n") }
	d.beat(1)
	said, did := d.run()
	d.expect("well", said+did)
	if s := d.status(); !s.Healthy || len(s.Reasons) > 0 {
		t.Errorf("%+v", s)
	}
	d.write("/fake/fleet-demo-sidecar-deploy-gate.socket", "failed")
	d.beat(2)
	said, did = d.run()
	d.expect("failed", said, "<4>fleet demo: the gate of sidecar deploy has failed: starting it again")
	d.expect("failed", did, "reset-failed fleet-demo-sidecar-deploy-gate.service fleet-demo-sidecar-deploy-gate.socket\nrestart fleet-demo-sidecar-deploy-gate.socket\n")
	if s := d.status(); s.Healthy || len(s.Reasons) != 1 || s.Reasons[0] != "sidecar deploy: its gate has failed" || !s.Agents[0].Healthy {
		t.Errorf("%+v", s)
	}
	d.write("/fake/fleet-demo-sidecar-deploy-gate.socket", "active")
	d.beat(3)
	d.run()
	d.write("/fake/fleet-demo-sidecar-deploy.service", "activating\nauto-restart")
	d.beat(3)
	said, did = d.run()
	d.expect("daemon", said, "<4>fleet demo: sidecar deploy has failed: starting it again")
	d.expect("daemon", did, "restart fleet-demo-sidecar-deploy.socket fleet-demo-sidecar-deploy-lead.socket\n")
	if s := d.status(); s.Healthy || len(s.Reasons) != 1 || s.Reasons[0] != "sidecar deploy: it has failed" {
		t.Errorf("%+v", s)
	}
	d.write("/fake/fleet-demo-sidecar-deploy.service", "active\nrunning")
	d.beat(3)
	d.run()
	tell("idle 0 0 0 0 0 - - 0 2 2")
	d.beat(4)
	said, _ = d.run()
	d.expect("placeholder", said, "<3>fleet demo: ALERT: sidecar deploy sent the placeholder of a secret where it does not belong, 2 times")
	d.write("/var/lib/fleet/demo/egress/cut/sidecar-deploy", "by ann\n")
	d.beat(5)
	d.run()
	if s := d.status(); s.Healthy || !strings.Contains(strings.Join(s.Reasons, ""), "sidecar deploy: it is cut off") {
		t.Errorf("%+v", s)
	}
}
