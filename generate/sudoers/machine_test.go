//go:build machine

package sudoers

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"fleet/generate/artifact"
	"fleet/generate/artifact/artifacttest"
	"fleet/generate/model"
)

// These tests ask sudo itself. They need root and run in a mount namespace with an /etc, /run and /var/lib of its own.
const inside = "FLEET_SUDOERS_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		if err := prepare(); err != nil {
			fmt.Fprintln(os.Stderr, "prepare:", err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	c := exec.Command("unshare", append([]string{"--mount", "--net", "--"}, os.Args...)...)
	c.Env = append(os.Environ(), inside+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func prepare() error {
	script := `mount --make-rprivate /
		mount -t tmpfs tmpfs /mnt
		mkdir /mnt/up /mnt/work
		mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work /etc
		mount -t tmpfs tmpfs /var/lib
		mount -t tmpfs tmpfs /run
		groupadd -g 70003 demo-web-dev
		useradd -u 70003 -g 70003 -M -s /usr/sbin/nologin -e 1970-01-02 demo-web-dev
		groupadd fleet-operators
		useradd -M -G fleet-operators opera
		useradd -M nobody2`
	out, err := exec.Command("/bin/sh", "-euc", script).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// install writes a fleet's files where sudo and the rules look for them.
func install(t *testing.T, m *model.Fleet) map[string]string {
	t.Helper()
	files, err := artifacttest.Files(Render, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(artifact.StoreDir, 0o755); err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{}
	for _, f := range files {
		path := f.StorePath()
		if f.Path == Path(m) {
			path = "/etc/sudoers.d/" + m.Project
		}
		scripts[string(f.Path)] = path
		os.Remove(path)
		if err := errors.Join(os.WriteFile(path, f.Data, f.Mode), os.Chmod(path, f.Mode)); err != nil {
			t.Fatal(err)
		}
	}
	return scripts
}

// as runs sudo as somebody.
func as(user string, args ...string) (string, error) {
	argv := append([]string{"--reuid=" + user, "--regid=" + user, "--init-groups", "sudo", "-n"}, args...)
	c := exec.Command("setpriv", argv...)
	c.Stdin = strings.NewReader("do this\n")
	out, err := c.CombinedOutput()
	return string(out), err
}

func TestVisudo(t *testing.T) {
	install(t, demoFleet())
	if out, err := exec.Command("visudo", "-s", "-c").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// cvtsudoers' JSON, as far as it matters.
type parsed struct {
	Aliases map[string][]struct {
		Command string `json:"command"`
	} `json:"Command_Aliases"`
	Specs []struct {
		Users []struct {
			Name  string `json:"username"`
			Group string `json:"usergroup"`
		} `json:"User_List"`
		Hosts []struct {
			Name string `json:"hostname"`
		} `json:"Host_List"`
		Commands []struct {
			RunAs []struct {
				Name string `json:"username"`
			} `json:"runasusers"`
			Options []map[string]bool `json:"Options"`
			List    []struct {
				Alias string `json:"cmndalias"`
			} `json:"Commands"`
		} `json:"Cmnd_Specs"`
	} `json:"User_Specs"`
}

func TestCvtsudoers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo")
	text := file(t, demoFleet())
	if err := os.WriteFile(path, []byte(text), 0o440); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("cvtsudoers", "-f", "json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var p parsed
	if err := json.Unmarshal(out, &p); err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{}
	for _, s := range p.Specs {
		c := s.Commands[0]
		if len(s.Users) != 1 || len(s.Hosts) != 1 || len(s.Commands) != 1 || len(c.RunAs) != 1 || len(c.List) != 1 ||
			c.RunAs[0].Name != "root" || s.Hosts[0].Name != "ALL" {
			t.Errorf("%+v", s)
		}
		who := s.Users[0].Name
		if who == "" {
			who = "%" + s.Users[0].Group
		}
		for _, cmd := range p.Aliases[c.List[0].Alias] {
			got[who] = append(got[who], strings.ReplaceAll(cmd.Command, `\`, ""))
		}
	}
	want := rules(t, text)
	for _, l := range []map[string][]string{got, want} {
		for who := range l {
			slices.Sort(l[who])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// sudo runs what is listed, for whom it is listed, with the arguments that are listed.
func TestSudo(t *testing.T) {
	m := demoFleet()
	echo := "/usr/bin/echo a *.log x? [a-z] !n a,b:c=d #e {x} $HOME `id` ; ok"
	m.Agents[2].Sudo = []string{"/usr/bin/id", echo, "/usr/bin/sha256sum --version"}
	scripts := install(t, m)
	logs := scripts["agents/web-dev/ops/logs"]
	for _, tc := range []struct {
		user string
		args []string
		want bool
	}{
		{"demo-web-dev", []string{"/usr/bin/id"}, true},
		{"demo-web-dev", []string{"/usr/bin/id", "-u"}, false},
		{"demo-web-dev", strings.Fields(echo), true},
		{"demo-web-dev", strings.Fields(strings.Replace(echo, "*.log", "b.log", 1)), false},
		{"demo-web-dev", strings.Fields(strings.Replace(echo, "x?", "xy", 1)), false},
		{"demo-web-dev", strings.Fields(strings.Replace(echo, "[a-z]", "b", 1)), false},
		{"demo-web-dev", append(strings.Fields(echo), "more"), false},
		{"demo-web-dev", []string{"/usr/bin/sha256sum"}, false},
		{"demo-web-dev", []string{"-u", "opera", "/usr/bin/id"}, false},
		{"demo-web-dev", []string{"-g", "fleet-operators", "/usr/bin/id"}, false},
		{"demo-web-dev", []string{"-s"}, false},
		{"demo-web-dev", []string{"-E", "/usr/bin/id"}, false},
		{"demo-web-dev", []string{"LD_PRELOAD=/tmp/x", "/usr/bin/id"}, false},
		{"demo-web-dev", []string{logs}, false},
		{"nobody2", []string{logs}, false},
		{"nobody2", []string{"/usr/bin/id"}, false},
		{"opera", []string{"/usr/bin/id"}, false},
		{"opera", []string{logs, "-f"}, false},
		{"opera", []string{"-E", logs}, false},
		{"opera", []string{"PATH=/tmp", logs}, false},
		{"opera", []string{"/bin/sh", logs}, false},
		{"opera", []string{"-l", logs}, true},
	} {
		out, err := as(tc.user, tc.args...)
		if (err == nil) != tc.want {
			t.Errorf("%s: sudo %q: %v\n%s", tc.user, tc.args, err, out)
		}
	}
	out, err := as("demo-web-dev", strings.Fields(echo)...)
	if want := strings.TrimPrefix(echo, "/usr/bin/echo ") + "\n"; err != nil || out != want {
		t.Errorf("%v: got %q, want %q", err, out, want)
	}
}

// send queues what it gets, in order, for the agent's group alone, and goes on after what the runner has taken.
func TestSend(t *testing.T) {
	m := demoFleet()
	send := install(t, m)["agents/web-dev/ops/send"]
	queue, records := m.AgentRun("web-dev")+"/queue", m.AgentRecords("web-dev")
	for _, dir := range []string{queue, records} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	names := func() []string {
		entries, err := os.ReadDir(queue)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range entries {
			out = append(out, e.Name())
		}
		return out
	}
	mustSend := func(want ...string) {
		t.Helper()
		if out, err := as("opera", send); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(want, names()); diff != "" {
			t.Error(diff)
		}
	}
	mustSend("000001")
	mustSend("000001", "000002")
	taken := records + "/queue"
	if err := os.WriteFile(taken, []byte("000010\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustSend("000011")
	data, err := os.ReadFile(queue + "/000011")
	if err != nil || string(data) != "do this\n" {
		t.Errorf("%q, %v", data, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(queue+"/000011", &st); err != nil || st.Mode&0o7777 != 0o440 || st.Uid != 0 || st.Gid != 70003 || st.Nlink != 1 {
		t.Errorf("%+v, %v", st, err)
	}

	// What stands there is the agent's: a link, a FIFO and nonsense count as none.
	os.Remove(taken)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(os.WriteFile(secret, []byte("000500"), 0o600), os.Symlink(secret, taken)); err != nil {
		t.Fatal(err)
	}
	mustSend("000011", "000012")
	os.Remove(taken)
	if err := unix.Mkfifo(taken, 0o600); err != nil {
		t.Fatal(err)
	}
	mustSend("000011", "000012", "000013")
	os.Remove(taken)
	for i, bad := range []string{"-1", "99999999999999999999", "1; id", "$(id)", "\x00\x00", "08"} {
		if err := os.WriteFile(taken, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := as("opera", send); err != nil || len(names()) != 4+i {
			t.Errorf("%q: %v %s %q", bad, err, out, names())
		}
	}
}

func TestSendRefuses(t *testing.T) {
	m := demoFleet()
	send := install(t, m)["agents/lead/ops/send"]
	if out, err := exec.Command(send).CombinedOutput(); err == nil || !strings.Contains(string(out), "has no queue") {
		t.Errorf("%v: %s", err, out)
	}
	queue := m.AgentRun("lead") + "/queue"
	if err := os.MkdirAll(queue, 0o755); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                          "must not be empty",
		" \n\t":                     "must not be empty",
		"a\x00b":                    "must not contain NUL",
		"a\xff":                     "must be UTF-8",
		strings.Repeat("a", 102401): "must have at most 102400 bytes",
	} {
		c := exec.Command(send)
		c.Stdin = strings.NewReader(text)
		out, err := c.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%.10q: %v: %s", text, err, out)
		}
	}
	if left, _ := os.ReadDir(queue); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}
