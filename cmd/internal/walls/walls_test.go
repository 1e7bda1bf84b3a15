package walls

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	host   = "net:[1]\nipc:[2]\nmnt:[3]\nuts:[4]\nuser:[5]\nfilters:0\n"
	status = "Name:\tx\nUid:\t70001\t70001\t70001\t70001\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n" +
		"CapEff:\t0000000000000000\nCapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n"
	mounts = "1 2 3:4 / /run rw,nosuid - tmpfs x rw\n2 1 8:1 / / ro,relatime shared:1 - ext4 /dev/sda rw\n"
)

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		change [2]string // in status, mounts or the namespaces' links
		want   string
	}{
		"whole":             {},
		"root":              {[2]string{"Uid:\t70001", "Uid:\t0"}, "must not be root"},
		"a capability":      {[2]string{"CapEff:\t0000000000000000", "CapEff:\t0000000000000400"}, "CapEff must be"},
		"bounding set":      {[2]string{"CapBnd:\t0000000000000000", "CapBnd:\t000001ffffffffff"}, "CapBnd must be"},
		"new privileges":    {[2]string{"NoNewPrivs:\t1", "NoNewPrivs:\t0"}, "NoNewPrivs must be 1"},
		"no filter":         {[2]string{"Seccomp:\t2", "Seccomp:\t0"}, "Seccomp must be 2"},
		"a root to write":   {[2]string{"/ / ro,", "/ / rw,"}, "/ must be read-only"},
		"no root":           {[2]string{"/ / ro,", "/ /x ro,"}, "/ must be read-only"},
		"the host's mounts": {[2]string{"mnt:[13]", "mnt:[3]"}, "the mnt namespace must not be the host's"},
		"the host's users":  {[2]string{"user:[15]", "user:[5]"}, "the user namespace must not be the host's"},
	} {
		t.Run(name, func(t *testing.T) {
			proc := t.TempDir()
			replace := func(s string) string { return strings.Replace(s, c.change[0], c.change[1], 1) }
			if c.change[0] == "" {
				replace = func(s string) string { return s }
			}
			ns := filepath.Join(proc, "self/ns")
			if err := os.MkdirAll(ns, 0o700); err != nil {
				t.Fatal(err)
			}
			for file, text := range map[string]string{"host": host, "self/status": replace(status), "self/mountinfo": replace(mounts)} {
				if err := os.WriteFile(filepath.Join(proc, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for kind, link := range map[string]string{"ipc": "ipc:[12]", "mnt": "mnt:[13]", "uts": "uts:[14]", "user": "user:[15]"} {
				if err := os.Symlink(replace(link), filepath.Join(ns, kind)); err != nil {
					t.Fatal(err)
				}
			}
			switch err := Check(proc+"/host", proc); {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || err.Error() != c.want && !strings.HasPrefix(err.Error(), c.want)):
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if Check("/nonexistent", "/proc") == nil {
		t.Error("without the host's list nothing is proved")
	}
}
