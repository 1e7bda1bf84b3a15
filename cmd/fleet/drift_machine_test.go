//go:build machine

package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/schemas/status"
)

// Whatever differs from the generation is named, with its remedy, and is gone from the status when it is mended. What an
// administrator did to a unit is told and is no fault.
func TestDrift(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	h.Switch(h.Build(e2e.Spec(`{ agents+: { b+: { onChange: 'manual' } } }`)))
	for _, c := range []struct {
		name       string
		do, undo   string
		kind, text string // of what is found
		exit       int
	}{
		{
			"ACT-A27 drop-in", `mkdir -p /etc/systemd/system/fleet-demo-a.service.d
			printf '[Service]\nNice=5\n' >/etc/systemd/system/fleet-demo-a.service.d/x.conf; systemctl daemon-reload`,
			`rm -r /etc/systemd/system/fleet-demo-a.service.d; systemctl daemon-reload`,
			"override", "is changed by /etc/systemd/system/fleet-demo-a.service.d/x.conf", 0,
		},
		{
			"ACT-A27 override", `cp /run/systemd/generator/fleet-demo-a.service /etc/systemd/system/; systemctl daemon-reload`,
			`rm /etc/systemd/system/fleet-demo-a.service; systemctl daemon-reload`,
			"override", "is replaced by /etc/systemd/system/fleet-demo-a.service", 0,
		},
		{
			"ACT-A27 mask", `systemctl mask --runtime fleet-demo-watchdog.service`, `systemctl unmask --runtime fleet-demo-watchdog.service`,
			"override", "is masked by the administrator", 0,
		},
		{
			"edited copy", `echo '# x' >>/run/systemd/generator/fleet-demo-a.service; systemctl daemon-reload; echo '# x' >>/run/systemd/generator/fleet-demo-b.service`,
			`systemctl daemon-reload`, "unit", "differs in /run/systemd/generator from generation 1", 1,
		},
		{
			"ACT-B11 edited generation", `echo '# x' >>/etc/fleet/demo/generations/1/REPORT.md`,
			`sed -i '$d' /etc/fleet/demo/generations/1/REPORT.md`, "generation", "REPORT.md", 1,
		},
		{
			"ACT-B11 emptied store file", `f=$(ls /var/lib/fleet/store/*-run | head -n 1); cp -p $f /root/kept; : >$f`,
			`cp -p /root/kept $(ls /var/lib/fleet/store/*-run | head -n 1)`, "generation", "is missing or damaged", 1,
		},
		{"shell", `usermod -s /bin/bash demo-a`, `usermod -s /usr/sbin/nologin demo-a`, "user", `has the shell "/bin/bash"`, 1},
		{"group", `gpasswd -a demo-a sudo`, `gpasswd -d demo-a sudo`, "user", "is a member of the group sudo", 1},
		{"expiry", `usermod -e '' demo-a`, `usermod -e 1970-01-02 demo-a`, "user", "has an account that has not expired", 1},
		{"password", `usermod -p '$6$x$y' demo-a`, `usermod -p '!' demo-a`, "user", "has a password", 1},
		{
			"foreign rule", `nft add rule inet fleet_demo output accept`,
			`systemctl reload fleet-demo-firewall.service`, "firewall", "chain output: has", 1,
		},
		{
			"sudoers", `cp -p /etc/sudoers.d/fleet-demo /root/line; echo 'demo-a ALL=(ALL) NOPASSWD: ALL' >>/etc/sudoers.d/fleet-demo`,
			`cp -p /root/line /etc/sudoers.d/fleet-demo`, "sudoers", "has other lines than the one of fleet's", 1,
		},
		{
			"generator", `mv /usr/local/lib/systemd/system-generators/* /root/ 2>/dev/null || mv /etc/systemd/system-generators/* /root/`,
			`mkdir -p /usr/local/lib/systemd/system-generators; mv /root/*fleet* /usr/local/lib/systemd/system-generators/`,
			"unit", "the next boot would start nothing", 1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := h.On(t)
			clean(t, h, "before")
			h.Sh(c.do)
			s := live(h)
			if s.exit != c.exit || !named(s, c.kind, c.text) {
				t.Errorf("exit status %d, want %d, and %q among\n%s", s.exit, c.exit, c.text, s.text)
			}
			h.Sh(c.undo)
			clean(t, h, "after")
		})
	}
}

func named(s seen, kind, text string) bool {
	for _, d := range s.Drift {
		if d.Kind == kind && strings.Contains(d.Name+" "+d.Message, text) {
			return true
		}
	}
	return false
}

func clean(t *testing.T, h *e2e.Host, when string) {
	t.Helper()
	h.Eventually("no drift "+when, 10*time.Second, func() error {
		if s := live(h); s.exit != 0 || len(s.Drift) > 0 {
			return fmt.Errorf("exit status %d: %s", s.exit, s.text)
		}
		return nil
	})
}

// ACT-A11: a changed unit of policy manual is told of until a person restarts it.
func TestManualIsTold(t *testing.T) {
	t.Parallel()
	h := e2e.New(t, machinetest.Options{})
	manual := `{ agents+: { b+: { onChange: 'manual' } } }`
	h.Switch(h.Build(e2e.Spec(manual)))
	h.Switch(h.Build(e2e.Spec(manual, `{ agents+: { b+: { limits: { tasks: 99 } } } }`)))
	if b := live(h).agent("b"); b.State == status.Failed || b.Reason != "runs its old unit until a person restarts it: sudo fleet restart" {
		t.Errorf("b: %+v", b)
	}
	tool(t, h, 0, "restart", "b")
	if b := live(h).agent("b"); b.Reason != "" {
		t.Errorf("b after its restart: %+v", b)
	}
}
