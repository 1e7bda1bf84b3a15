package survey

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/activate/gates"
	"fleet/activate/systemd"
	"fleet/schemas/egress"
	"fleet/schemas/status"
)

func TestJudgeGate(t *testing.T) {
	const hash = "aa"
	told := func() *egress.Status { return &egress.Status{Mode: "enforce", Open: 2, Policy: hash} }
	up := func() gateFacts {
		return gateFacts{
			socket: systemd.Unit{Name: "s.socket", ActiveState: "active"}, service: systemd.Unit{Name: "s.service", ActiveState: "active"},
			told: gates.Told{Status: told()}, policy: hash, journal: "j.service",
		}
	}
	bypass := &egress.Bypass{Seconds: 240, Reason: "install", By: "ann"}
	for name, c := range map[string]struct {
		change func(*gateFacts)
		want   status.Gate
		fault  string
	}{
		"active": {func(*gateFacts) {}, status.Gate{State: "active", Mode: "enforce", Open: 2}, ""},
		"idle":   {func(f *gateFacts) { f.told, f.service.ActiveState = gates.Told{}, "inactive" }, status.Gate{State: "idle"}, ""},
		"socket failed": {
			func(f *gateFacts) {
				f.told, f.socket.ActiveState, f.socket.Result = gates.Told{}, "failed", "resources"
			},
			status.Gate{State: "failed", Reason: "resources"},
			"sockets are failed",
		},
		"service failed": {
			func(f *gateFacts) {
				f.told, f.service.ActiveState, f.service.Result = gates.Told{}, "failed", "exit-code"
			},
			status.Gate{State: "failed", Reason: "exit-code"},
			"has failed (exit-code)",
		},
		"cut": {func(f *gateFacts) { f.cut, f.why = true, "by ann" }, status.Gate{State: "cut", Mode: "enforce", Open: 2, Reason: "by ann"}, "cut off by ann"},
		"bypass": {
			func(f *gateFacts) { f.told.Status.Bypass = bypass },
			status.Gate{State: "bypass", Mode: "enforce", Open: 2, Seconds: 240, Reason: "by ann: install"},
			"",
		},
		"bypass of an idle gate": {
			func(f *gateFacts) { f.told, f.bypass = gates.Told{}, bypass },
			status.Gate{State: "bypass", Seconds: 240, Reason: "by ann: install"},
			"",
		},
		"a bypass that the gate did not take": {func(f *gateFacts) { f.bypass = bypass }, status.Gate{State: "active", Mode: "enforce", Open: 2}, ""},
		"stale": {
			func(f *gateFacts) { f.told.Status.Policy, f.told.Status.Error = "bb", "no JSON" },
			status.Gate{State: "active", Mode: "enforce", Open: 2, Stale: true, Error: "no JSON"},
			"another policy than the generation",
		},
		"mute": {
			func(f *gateFacts) { f.told.Status.Mute = true },
			status.Gate{State: "failed", Mode: "enforce", Open: 2, Reason: "mute"},
			"the journal takes none of its records: see j.service",
		},
		"hangs": {func(f *gateFacts) { f.told, f.err = gates.Told{}, errors.New("late\x1b") }, status.Gate{State: "failed", Reason: `late\x1b`}, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			f := up()
			c.change(&f)
			got, fault := judgeGate(f)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if !strings.Contains(fault, c.fault) || (c.fault == "") != (fault == "") {
				t.Errorf("fault %q, want %q", fault, c.fault)
			}
		})
	}
}
