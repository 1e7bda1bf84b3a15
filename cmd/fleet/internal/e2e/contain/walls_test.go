//go:build machine

package contain

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// exposures are the bounds of systemd-analyze security, by isolation.
var exposures = map[string]float64{"namespace": 1.0, "user": 1.5}

// Every unit that an agent's processes run in is as closed as promised, as systemd has it loaded.
func TestExposure(t *testing.T) {
	t.Parallel()
	f := share(t)
	for _, key := range agents {
		for _, unit := range []string{".service", "-probe.service", "-attach@7.service"} {
			unit = "fleet-demo-" + key + unit
			out := f.MustRun("systemd-analyze", "security", "--no-pager", unit)
			_, rest, _ := strings.Cut(out, "Overall exposure level for "+unit+": ")
			number, _, _ := strings.Cut(rest, " ")
			if got, err := strconv.ParseFloat(number, 64); err != nil || got > exposures[isolation[key]] {
				t.Errorf("%s (%s): exposure %q, must be at most %.1f", unit, isolation[key], number, exposures[isolation[key]])
			}
		}
	}
}

// An agent's root holds what its unit names and nothing else.
func TestRootTree(t *testing.T) {
	t.Parallel()
	f := share(t)
	f.send("tree", agents...)
	for _, key := range agents {
		named := targets(f.ReadFile("/run/fleet/demo/active/units/fleet-demo-" + key + ".service"))
		seen := decode[[]string](f, f.told(key, "tree"))
		if len(seen) < 60 || len(named) < 30 {
			t.Errorf("%s (%s): %d paths, %d are named", key, isolation[key], len(seen), len(named))
		}
		for _, line := range seen {
			// Of its folder in /run the queue is root's, and its prompts, and the socket to the chat.
			run := "/run/fleet/demo/" + key + "/"
			if !planned(line, named) && line != "folder "+run+"own" && line != "file "+run+"chat.sock" && !strings.HasPrefix(line, "folder "+run+"queue") &&
				!strings.HasPrefix(line, "file "+run+"queue/") && !strings.HasPrefix(line, "file /run/fleet/demo/units/fleet-demo-") {
				t.Errorf("%s (%s): there is a %s", key, isolation[key], line)
			}
		}
	}
}

// A unit that lacks one of its walls does not start: what systemd leaves out it would leave out in silence.
func TestWallsAreProved(t *testing.T) {
	t.Parallel()
	f := share(t)
	for _, wall := range []struct{ key, without, why string }{
		{"n2", "PrivateNetwork=no", "the net namespace is the host's"},
		{"n2", "PrivateUsers=no", "the user namespace is the host's"},
		{"n2", "BindReadOnlyPaths=/run/dbus", "/run/dbus must not be here"},
		{"n2", "RootDirectory=", "the root is the host's"},
		{"u2", "PrivateIPC=no", "the ipc namespace is the host's"},
		{"u2", "NoNewPrivileges=no\nSystemCallFilter=\nRestrictAddressFamilies=\nRestrictNamespaces=no\nRestrictRealtime=no\nRestrictSUIDSGID=no\n" +
			"SystemCallArchitectures=\nLockPersonality=no\nPrivateDevices=no\nProtectClock=no\nProtectKernelTunables=no\nProtectKernelModules=no\n" +
			"ProtectKernelLogs=no\nProtectHostname=no", "NoNewPrivs: must be 1"},
		{"u2", "CapabilityBoundingSet=CAP_NET_RAW\nAmbientCapabilities=CAP_NET_RAW", "CapEff: must be"},
		{"u2", "own", "must be a tmpfs of limited size"},
	} {
		t.Run(wall.key+" "+strings.Fields(wall.without)[0], func(t *testing.T) { f.without(t, wall.key, wall.without, wall.why) })
	}
	for _, key := range []string{"n2", "u2"} {
		f.MustRun("systemctl", "restart", "fleet-demo-"+key+".service")
	}
}

// without starts the agent's unit without a wall, or without the mount of its own folder.
func (f *fleet) without(t *testing.T, key, wall, why string) {
	unit, own := "fleet-demo-"+key+".service", "/run/fleet/demo/"+key+"/own"
	f.Sh("systemctl stop " + unit)
	if wall == "own" {
		f.Sh("umount " + own)
		defer f.Sh("sh /run/fleet/demo/active/libexec/own /run/fleet/demo/active/tmpfiles.d/demo.conf")
	} else {
		f.WriteFile("/run/systemd/system/"+unit+".d/without.conf", "[Service]\nRestart=no\n"+wall+"\n", 0o644)
		f.Sh("systemctl daemon-reload")
		defer f.Sh("rm -r /run/systemd/system/" + unit + ".d; systemctl daemon-reload; systemctl reset-failed " + unit + " || :")
	}
	cursor := f.Sh("journalctl -n 0 --show-cursor | sed -n 's/^-- cursor: //p'")
	if out, exit := f.Try("systemctl", "start", unit); exit == 0 {
		t.Errorf("%s starts: %s", unit, out)
	}
	f.Sh("systemctl stop " + unit)
	said := f.MustRun("journalctl", "--after-cursor="+cursor, "-u", unit, "-o", "cat", "--no-pager")
	if !strings.Contains(said, "assert: ") || !strings.Contains(said, why) {
		t.Errorf("the journal has no %q:\n%s", fmt.Sprint("assert: ", why), said)
	}
}
