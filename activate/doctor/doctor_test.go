package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/report"
)

// fit is a Debian host that has everything; each case takes something away.
func fit() *host {
	h := &host{
		missing: map[string]bool{},
		files: map[string]string{
			"/etc/os-release":                    "ID=debian\nVERSION_ID=\"12\"\n",
			"/proc/1/comm":                       "systemd\n",
			"/sys/fs/cgroup/cgroup.controllers":  "cpuset cpu io memory pids\n",
			"/etc/ssl/certs/ca-certificates.crt": "-----BEGIN CERTIFICATE-----\n",
			"/proc/filesystems":                  "nodev\tproc\n\text4\nnodev\toverlay\n",
			"/proc/meminfo":                      "MemTotal: 4000000 kB\nMemAvailable: 2000000 kB\n",
			"/proc/self/status":                  "Name:\tfleet\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n",
		},
		outputs: map[string]string{"systemctl --version": "systemd 252 (252.39-1~deb12u2)\n+PAM\n", "nft --check": "", "nft -c": ""},
		fs:      map[string]FS{},
		deflt:   FS{Device: 1, FreeBytes: 1 << 30, FreeInodes: 1 << 20},
	}
	h.env = Env{Look: h.look, Output: h.output, Read: h.read, FS: h.statfs}
	return h
}

type host struct {
	env     Env
	missing map[string]bool
	files   map[string]string
	outputs map[string]string // by the first two arguments
	fs      map[string]FS
	deflt   FS
}

func (h *host) look(p string) (string, bool) { return "/usr/bin/" + p, !h.missing[p] }

func (h *host) output(_ context.Context, argv ...string) (string, error) {
	out, ok := h.outputs[strings.Join(argv[:2], " ")]
	if !ok {
		return "", errors.New(argv[0] + ": exit status 1")
	}
	return out, nil
}

func (h *host) read(path string) (string, error) {
	text, ok := h.files[path]
	if !ok {
		return "", fs.ErrNotExist
	}
	return text, nil
}

func (h *host) statfs(path string) (FS, error) {
	if f, ok := h.fs[path]; ok {
		return f, nil
	}
	return h.deflt, nil
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		change func(*host)
		want   []string // check: severity, purpose
	}{
		"fit":             {func(*host) {}, nil},
		"fit for try":     {func(h *host) { h.env.Try = true; delete(h.files, "/proc/1/comm") }, nil},
		"not root":        {func(h *host) { h.env.EUID = 1000; delete(h.outputs, "nft --check") }, []string{"root: warning, switch"}},
		"other init":      {func(h *host) { h.files["/proc/1/comm"] = "tini\n" }, []string{"pid1: error, switch"}},
		"old systemd":     {version("249"), []string{"systemd.version: error, switch"}},
		"least systemd":   {version("250"), nil},
		"strange systemd": {version("x"), []string{"systemd.version: error, switch"}},
		"no systemd": {
			func(h *host) { h.missing["systemctl"] = true; delete(h.outputs, "systemctl --version") },
			[]string{"program.systemctl: error, switch"},
		},
		"no tmux": {lacks("tmux"), []string{"program.tmux: error, switch"}},
		"no nft": {
			func(h *host) { h.missing["nft"] = true; delete(h.outputs, "nft --check") },
			[]string{"program.nft: error, switch"},
		},
		"no nspawn":          {lacks("systemd-nspawn"), nil},
		"no nspawn for try":  {forTry(lacks("systemd-nspawn")), []string{"program.systemd-nspawn: error, try"}},
		"kernel without nft": {func(h *host) { delete(h.outputs, "nft --check") }, []string{"nftables: error, switch"}},
		"kernel without nat": {func(h *host) { delete(h.outputs, "nft -c") }, []string{"nftables.nat: error, switch"}},
		"no roots":           {func(h *host) { delete(h.files, rootFiles[0]) }, []string{"roots: error, switch"}},
		"roots of Fedora": {func(h *host) {
			h.files[rootFiles[1]] = h.files[rootFiles[0]]
			delete(h.files, rootFiles[0])
		}, nil},
		"no roots for try": {forTry(func(h *host) { delete(h.files, rootFiles[0]) }), []string{"roots: error, try"}},
		"cgroup v1": {
			func(h *host) { delete(h.files, "/sys/fs/cgroup/cgroup.controllers") },
			[]string{"cgroup2: warning, switch"},
		},
		"no memory controller": {
			func(h *host) { h.files["/sys/fs/cgroup/cgroup.controllers"] = "cpu pids" },
			[]string{"cgroup2.memory: warning, switch"},
		},
		"own etc":      {places(FS{Device: 2}, "/etc"), []string{"etc: error, switch"}},
		"noexec store": {places(FS{Device: 1, NoExec: true}, "/var/lib/fleet/store"), []string{"store: error, switch"}},
		"noexec etc":   {places(FS{Device: 1, NoExec: true}, "/etc/systemd/system-generators"), nil},
		"noexec generators": {
			places(FS{Device: 1, NoExec: true}, generatorDirs...),
			[]string{"generator: error, switch"},
		},
		"broken generator": {
			func(h *host) { h.env.Generator = func(context.Context) error { return errors.New("it is missing") } },
			[]string{"generator.installed: error, switch"},
		},
		"sound generator": {func(h *host) { h.env.Generator = func(context.Context) error { return nil } }, nil},
		"full disk":       {space("/var/lib/fleet/store", 1<<20, 1<<20), []string{"space/var/lib/fleet/store: error, switch"}},
		"no inodes":       {space("/etc/fleet", 1<<30, 3), []string{"space/etc/fleet: error, switch"}},
		"full run":        {space("/run", 20<<20, 1<<20), []string{"space/run: error, switch"}},
		"no overlay":      {forTry(overlayless), []string{"overlay: error, try"}},
		"overlay mod":     {forTry(func(h *host) { overlayless(h); h.outputs["modprobe --dry-run"] = "" }), nil},
		"container": {
			forTry(func(h *host) { h.files["/proc/self/status"] = "Name:\tx\nCapEff:\t00000000a80425fb\n" }),
			[]string{"mount: error, try"},
		},
		"little memory": {
			forTry(func(h *host) { h.files["/proc/meminfo"] = "MemTotal: 9 kB\nMemAvailable: 100000 kB\n" }),
			[]string{"memory: warning, try"},
		},
		"harness": {func(h *host) {
			h.env.Harnesses = []HarnessProgram{{Program: "claude", Install: "npm install claude"}, {Program: "sh"}}
			h.missing["claude"] = true
		}, []string{"harness.claude: warning, harness"}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			h := fit()
			c.change(h)
			var got []string
			for _, f := range Check(t.Context(), h.env) {
				got = append(got, f.Check+": "+f.Severity.String()+", "+string(f.For))
				if f.Message == "" || f.Severity == report.Error && f.Hint == "" && f.Packages == nil {
					t.Errorf("%s says too little: %+v", f.Check, f)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func version(v string) func(*host) {
	return func(h *host) { h.outputs["systemctl --version"] = "systemd " + v + " (x)\n" }
}

func lacks(program string) func(*host) { return func(h *host) { h.missing[program] = true } }

func forTry(f func(*host)) func(*host) { return func(h *host) { h.env.Try = true; f(h) } }

func overlayless(h *host) { h.files["/proc/filesystems"] = "ext4\n" }

func places(f FS, at ...string) func(*host) {
	return func(h *host) {
		for _, p := range at {
			f.FreeBytes, f.FreeInodes = 1<<30, 1<<20
			h.fs[p] = f
		}
	}
}

func space(at string, bytes, inodes uint64) func(*host) {
	return func(h *host) { h.fs[at] = FS{Device: 1, FreeBytes: bytes, FreeInodes: inodes} }
}

// Every program can be installed on every family, by the name that the family gives it.
func TestPackages(t *testing.T) {
	tests := map[string]struct {
		osRelease string
		want      [][]string
	}{
		"debian": {"ID=debian\n", [][]string{
			{"apt-get", "update"},
			{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--no-install-recommends", "iproute2", "tmux"},
		}},
		"ubuntu's child": {"ID=pop\nID_LIKE=\"ubuntu debian\"\n", [][]string{
			{"apt-get", "update"},
			{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--no-install-recommends", "iproute2", "tmux"},
		}},
		"fedora": {"ID=fedora\n", [][]string{{"dnf", "install", "--assumeyes", "iproute", "tmux"}}},
		"rocky":  {"ID='rocky'\nID_LIKE='rhel centos fedora'\n", [][]string{{"dnf", "install", "--assumeyes", "iproute", "tmux"}}},
		"arch":   {"ID=arch\n", [][]string{{"pacman", "--sync", "--needed", "--noconfirm", "iproute2", "tmux"}}},
		"other":  {"ID=plan9\n", nil},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			h := fit()
			h.files["/etc/os-release"], h.missing["tmux"], h.missing["ip"] = c.osRelease, true, true
			if d := cmp.Diff(c.want, Commands(h.env, Check(t.Context(), h.env))); d != "" {
				t.Error(d)
			}
		})
	}
	for _, n := range needed {
		if n.debian == "" || n.fedora == "" || n.arch == "" {
			t.Errorf("%s: a family has no package", n.program)
		}
	}
}

// recorder keeps what would be done.
type recorder struct{ done []string }

func (r *recorder) Do(what string, _ func() error) error {
	r.done = append(r.done, what)
	return nil
}

// Only fleet's own recipe is run as root; the text of a spec is shown and no more.
func TestFixOfHarnesses(t *testing.T) {
	for trusted, want := range map[bool][]string{
		true:  {"run apt-get update", "run env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends npm", "run a harness's recipe"},
		false: nil,
	} {
		h := fit()
		h.env.Harnesses = []HarnessProgram{{Program: "claude", Install: "get claude", Trusted: trusted}}
		h.missing["claude"], h.missing["npm"] = true, true
		found := Check(t.Context(), h.env)
		r := &recorder{}
		if err := Fix(t.Context(), r, h.env, found); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, r.done); d != "" {
			t.Errorf("trusted %t: %s", trusted, d)
		}
		if text := Text(h.env, found); trusted != strings.Contains(text, "/bin/sh -c get claude") {
			t.Errorf("trusted %t: %s", trusted, text)
		}
	}
}

func TestFix(t *testing.T) {
	h := fit()
	h.missing["tmux"] = true
	found := Check(t.Context(), h.env)
	r := &recorder{}
	if err := Fix(t.Context(), r, h.env, found); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"run apt-get update",
		"run env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends tmux",
	}
	if d := cmp.Diff(want, r.done); d != "" {
		t.Error(d)
	}
	h.env.EUID = 1000
	if err := Fix(t.Context(), r, h.env, found); err == nil || !strings.Contains(err.Error(), "needs root") {
		t.Errorf("without root: %v", err)
	}
	if err := Fix(t.Context(), r, fit().env, nil); err != nil || len(r.done) != 2 {
		t.Errorf("with nothing to do: %v, %v", err, r.done)
	}
}

func TestText(t *testing.T) {
	h := fit()
	if got := Text(h.env, nil); got != "this host has all that fleet needs" {
		t.Errorf("fit: %q", got)
	}
	h.missing["tmux"] = true
	h.files["/proc/1/comm"] = "evil\x1b[2J\n"
	want := "pid1: systemd must be PID 1; here it is \"evil\\x1b[2J\"\n" +
		"  hint: run `fleet try`, which boots a throwaway machine with systemd on this host\n" +
		"program.tmux: tmux, which holds the agents' sessions, must be installed\n" +
		"`fleet doctor --fix` runs:\n" +
		"  apt-get update\n" +
		"  env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends tmux"
	found := Check(t.Context(), h.env)
	if d := cmp.Diff(want, Text(h.env, found)); d != "" {
		t.Error(d)
	}
	if Fit(found) || !Fit(nil) || !Fit([]Finding{{Severity: report.Warning}}) {
		t.Error("Fit")
	}
}

// The JSON form has the words that scripts read.
func TestJSON(t *testing.T) {
	h := fit()
	h.missing["ip"] = true
	data, err := json.Marshal(Check(t.Context(), h.env))
	if err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if keys := slices.Sorted(maps.Keys(got[0])); !slices.Equal(keys,
		[]string{"check", "fix", "for", "message", "packages", "severity"}) {
		t.Errorf("keys %v", keys)
	}
}

// The probes of this host answer; what they say depends on the host.
func TestHost(t *testing.T) {
	e := Host()
	if path, ok := e.Look("sh"); !ok || !strings.HasSuffix(path, "/sh") {
		t.Errorf("sh is at %q", path)
	}
	if path, ok := e.Look("no-such-program"); ok {
		t.Errorf("no-such-program is at %q", path)
	}
	etc, err := e.FS("/etc")
	below, err2 := e.FS("/etc/no/such/folder")
	if err := errors.Join(err, err2); err != nil || etc.Device != below.Device || etc.FreeInodes == 0 {
		t.Errorf("%+v, %+v, %v", etc, below, err)
	}
	if text, err := e.Read("/proc/1/comm"); err != nil || text == "" {
		t.Errorf("read: %q, %v", text, err)
	}
	Check(t.Context(), e)
}
