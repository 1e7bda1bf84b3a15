//go:build linux

package runner

import (
	"os"
	"strings"
	"testing"

	"fleet/generate/model"
	"fleet/schemas/chat"
)

func newTalkingDog(t *testing.T) dog {
	t.Helper()
	return newDog(t, func(m *model.Fleet) {
		m.Sidecars = []model.Sidecar{{Box: model.Agent{Key: model.ChatKey}, Name: model.ChatKey, Chat: &chat.Config{}}}
	})
}

// heard returns what the chat was told since the last time.
func (d dog) heard() string {
	b, _ := os.ReadFile(d.at("/fake/said"))
	os.Remove(d.at("/fake/said"))
	return string(b)
}

// What goes to the journal as an alert goes to the chat too, all of a run in one message. What the chat did not take is
// said by the next run, once.
func TestWatchdogSpeaks(t *testing.T) {
	t.Parallel()
	d := newTalkingDog(t)
	d.beat(1)
	d.run()
	d.expect("well", d.heard())
	d.write("/fake/no-table", "")
	d.write("/fake/oom", "fleet-demo-lead.service\n")
	for i := range 2 {
		d.beat(2 + i)
		d.run()
	}
	want := "post --socket " + d.at("/run/fleet/demo/chat.sock") + " --wait 10s -: "
	told := d.heard()
	d.expect("alerts", told, want, "ALERT: fleet-demo-lead.service ran out of memory 1 times\n", "ALERT: not so: the firewall holds the table")
	d.write("/fake/deaf", "")
	os.Remove(d.at("/fake/no-table"))
	os.Remove(d.at("/fake/oom"))
	d.beat(5)
	said, _ := d.run()
	d.expect("deaf", said, "<3>fleet demo: RECOVERED: the firewall", "<4>fleet demo: the chat took no alert: the next run tries again")
	d.expect("deaf", d.heard())
	os.Remove(d.at("/fake/deaf"))
	d.beat(6)
	d.run()
	if told := d.heard(); strings.Count(told, "RECOVERED: the firewall") != 1 || strings.Count(told, "post ") != 1 {
		t.Errorf("%q", told)
	}
	d.beat(7)
	d.run()
	d.expect("once", d.heard())
}

// A chat that is down for long keeps the newest of what was not said.
func TestWatchdogKeepsABoundedNumber(t *testing.T) {
	t.Parallel()
	d := newTalkingDog(t)
	d.write("/run/fleet/demo/watchdog/unsaid", strings.Repeat("old\n", 5000))
	d.write("/fake/deaf", "")
	d.write("/fake/oom", "fleet-demo-lead.service\n")
	d.beat(1)
	d.run()
	d.beat(2)
	d.run()
	kept := d.read("/run/fleet/demo/watchdog/unsaid")
	if len(kept) > 8000 || !strings.Contains(kept, "ran out of memory") {
		t.Errorf("%d bytes kept, to the end %q", len(kept), kept[max(0, len(kept)-100):])
	}
}

// A chat whose socket or service has failed is told of, and its sockets are opened again.
func TestWatchdogLooksAfterTheChat(t *testing.T) {
	t.Parallel()
	d := newTalkingDog(t)
	d.write("/fake/fleet-demo-chat.socket.dead", "")
	d.beat(1)
	said, _ := d.run()
	d.expect("socket", said, "<4>fleet demo: not so: the chat takes what is said")
	os.Remove(d.at("/fake/fleet-demo-chat.socket.dead"))
	d.write("/fake/fleet-demo-chat.service", "activating\nauto-restart")
	d.beat(2)
	_, did := d.run()
	d.expect("service", did, "restart fleet-demo-chat.socket fleet-demo-chat-lead.socket\n")
	if s := d.status(); s.Healthy || len(s.Reasons) != 1 || s.Reasons[0] != "the chat: it has failed" {
		t.Errorf("%+v", s)
	}
}
