//go:build machine

package sysusers

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fleet/generate/artifact/artifacttest"
	"github.com/google/go-cmp/cmp"
)

// The tools of systemd make in an empty root what the files say, and a second run changes nothing. Needs root.
func TestSystemdReads(t *testing.T) {
	files, err := artifacttest.Files(Render, demoFleet(), nil)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	for i, name := range []string{"/users.conf", "/folders.conf"} {
		if err := errors.Join(os.WriteFile(root+name, files[i+1].Data, 0o444), os.MkdirAll(root+"/etc", 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "systemd-sysusers", "--root="+root, "--dry-run", root+"/users.conf")
	if _, err := os.Stat(root + "/etc/passwd"); err == nil {
		t.Error("a dry run wrote /etc/passwd")
	}
	var before []string
	for round := range 2 {
		run(t, "systemd-sysusers", "--root="+root, root+"/users.conf")
		run(t, "systemd-tmpfiles", "--root="+root, "--create", root+"/folders.conf")
		got := append(entries(t, root+"/etc/passwd"), entries(t, root+"/etc/group")...)
		got = append(got, tree(t, root)...)
		if round == 1 {
			if diff := cmp.Diff(before, got); diff != "" {
				t.Errorf("a second run changes: %s", diff)
			}
		}
		before = got
	}
	if diff := cmp.Diff(wanted, before); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func run(t *testing.T, argv ...string) {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "conf:") {
		t.Fatalf("%s: %v\n%s", argv, err, out)
	}
}

// entries are the lines of passwd or group that are ours, the operators' number apart, which is the host's choice.
func entries(t *testing.T, path string) []string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if f[0] == "fleet-operators" {
			f[2] = "N"
		}
		out = append(out, strings.Join(f, ":"))
	}
	slices.Sort(out)
	return out
}

// tree lists the folders below root with mode and owners.
func tree(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		rel := strings.TrimPrefix(path, root)
		if err != nil || !d.IsDir() || rel == "" || rel == "/etc" {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		st := fi.Sys().(*syscall.Stat_t)
		out = append(out, rel+" "+fi.Mode().Perm().String()+" "+id(st.Uid)+":"+id(st.Gid))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func id(n uint32) string {
	return map[uint32]string{
		0: "root", 70001: "lead", 70002: "off", 70003: "web-dev", 99000: "lead-gate", 99001: "off-gate", 99002: "web-dev-gate",
	}[n]
}

var wanted = []string{
	"demo-lead-gate:x:99000:99000:fleet demo gate of lead:/nonexistent:/usr/sbin/nologin",
	"demo-lead:x:70001:70001:fleet demo agent lead:/home/demo-lead:/usr/sbin/nologin",
	"demo-off-gate:x:99001:99001:fleet demo gate of off:/nonexistent:/usr/sbin/nologin",
	"demo-off:x:70002:70002:fleet demo agent off:/home/demo-off:/usr/sbin/nologin",
	"demo-web-dev-gate:x:99002:99002:fleet demo gate of web-dev:/nonexistent:/usr/sbin/nologin",
	"demo-web-dev:x:70003:70003:fleet demo agent web-dev:/home/demo-web-dev:/usr/sbin/nologin",
	"demo-lead-gate:x:99000:", "demo-lead:x:70001:", "demo-off-gate:x:99001:", "demo-off:x:70002:", "demo-web-dev-gate:x:99002:",
	"demo-web-dev:x:70003:", "fleet-operators:x:N:",
	"/home -rwxr-xr-x root:root",
	"/home/demo-lead -rwx------ lead:lead",
	"/home/demo-off -rwx------ off:off",
	"/home/demo-web-dev -rwx------ web-dev:web-dev",
	"/run -rwxr-xr-x root:root",
	"/run/fleet -rwxr-xr-x root:root",
	"/run/fleet/demo -rwxr-xr-x root:root",
	"/run/fleet/demo/egress -rwxr-xr-x root:root",
	"/run/fleet/demo/egress/bypass -rwxr-xr-x root:root",
	"/run/fleet/demo/egress/gate -rwxr-xr-x root:root",
	"/run/fleet/demo/egress/policy -rwxr-xr-x root:root",
	"/run/fleet/demo/egress/policy/lead -rwxr-x--- root:lead-gate",
	"/run/fleet/demo/egress/policy/web-dev -rwxr-x--- root:web-dev-gate",
	"/run/fleet/demo/lead -rwxr-x--- root:lead",
	"/run/fleet/demo/lead/own -rwx------ lead:lead",
	"/run/fleet/demo/lead/queue -rwxr-x--- root:lead",
	"/run/fleet/demo/units -rwxr-xr-x root:root",
	"/run/fleet/demo/wake -rwxr-xr-x root:root",
	"/run/fleet/demo/watchdog -rwx------ root:root",
	"/run/fleet/demo/web-dev -rwxr-x--- root:web-dev",
	"/run/fleet/demo/web-dev/own -rwx------ web-dev:web-dev",
	"/run/fleet/demo/web-dev/queue -rwxr-x--- root:web-dev",
	"/run/systemd -rwxr-xr-x root:root",
	"/run/systemd/journald@fleet-demo.conf.d -rwxr-xr-x root:root",
	"/var -rwxr-xr-x root:root",
	"/var/lib -rwxr-xr-x root:root",
	"/var/lib/fleet -rwxr-xr-x root:root",
	"/var/lib/fleet/demo -rwxr-xr-x root:root",
	"/var/lib/fleet/demo/egress -rwxr-xr-x root:root",
	"/var/lib/fleet/demo/egress/ca -rwxr-xr-x root:root",
	"/var/lib/fleet/demo/egress/ca/lead -rwxr-xr-x lead-gate:lead-gate",
	"/var/lib/fleet/demo/egress/ca/web-dev -rwxr-xr-x web-dev-gate:web-dev-gate",
	"/var/lib/fleet/demo/egress/cut -rwxr-xr-x root:root",
	"/var/lib/fleet/demo/egress/gate -rwxr-xr-x root:root",
	"/var/lib/fleet/demo/keys -rwx------ root:root",
	"/var/lib/fleet/demo/keys/lead -rwx------ root:root",
	"/var/lib/fleet/demo/records -rwxr-xr-x root:root",
	"/var/lib/fleet/demo/records/lead -rwx------ lead:lead",
	"/var/lib/fleet/demo/records/off -rwx------ off:off",
	"/var/lib/fleet/demo/records/web-dev -rwx------ web-dev:web-dev",
	"/var/lib/fleet/demo/root -rwxr-xr-x root:root",
	"/var/lib/fleet/demo/root/lead -rwxr-xr-x root:root",
	"/var/lib/fleet/demo/root/web-dev -rwxr-xr-x root:root",
	"/var/lib/fleet/demo/stopped -rwxr-xr-x root:root",
	"/var/lib/fleet/demo/txn -rwx------ root:root",
	"/var/lib/fleet/store -rwxr-xr-x root:root",
}
