//go:build machine

package secrets

import (
	"regexp"
	"strings"

	"github.com/google/go-cmp/cmp"

	"fleet/cmd/fleet/internal/e2e"
)

// typed runs a command on a terminal on which a person types, in the form of printf, a moment apart; a line that begins
// with a colon is run instead. It returns the screen, which ends with the command's status and the terminal's state.
func (h *host) typed(command string, lines ...string) string {
	h.t.Helper()
	script := "sleep 1\n"
	for _, line := range lines {
		if inside, found := strings.CutPrefix(line, ":"); found {
			script += inside + "\n"
			continue
		}
		script += "printf '" + line + "'; sleep 0.7\n"
	}
	h.WriteFile("/dev/shm/typing", script+"sleep 1\n", 0o700)
	h.Sh(`rm -f /dev/shm/screen
sh /dev/shm/typing | script -qec 'trap : INT; ` + command + `; echo "status=$?"; stty -a' /dev/shm/screen >/dev/null || :`)
	return h.ReadFile("/dev/shm/screen")
}

// echoes matches a terminal that shows what is typed.
var echoes = regexp.MustCompile(`[ \n]echo `)

// terminal: the value is asked for twice and never shown; whatever a person does, the terminal is as before.
func (h *host) terminal() {
	before := h.credential(gateA, "TOKEN")
	typed := canaries[9]
	for _, c := range []struct {
		name  string
		lines []string
		wants []string
	}{
		{"Ctrl-C", []string{"canary-ty", `\003`}, []string{"interrupted, nothing was changed", "status=1"}},
		{"Ctrl-C at the second", []string{typed + `\r`, "canary", `\003`}, []string{"once more", "interrupted", "status=1"}},
		{"two that differ", []string{typed + `\r`, typed + `x\r`}, []string{"the two differ, nothing was changed", "status=1"}},
		{"nothing", []string{`\r`, `\r`}, []string{"must not be empty", "status=3"}},
		{"end of input", []string{`\004`}, []string{"the input ended", "status=1"}},
		{"a cut line", []string{strings.Repeat("x", 5000) + `\r`}, []string{"cuts a line off after 4095 bytes", "status=1"}},
	} {
		screen := h.typed("fleet secret set TOKEN", c.lines...)
		h.has(screen, append(c.wants, "Value of TOKEN: ")...)
		if !echoes.MatchString(screen) {
			h.t.Errorf("%s: the terminal shows nothing any more:\n%s", c.name, screen)
		}
		h.clean(c.name, screen)
	}
	if now := h.credential(gateA, "TOKEN"); now != before {
		h.t.Errorf("the gate has %q", now)
	}
	// While a person types, the process dumps no core, and what it reads is never in the swap.
	screen := h.typed("fleet secret set TOKEN", typed+`\r`,
		`:pid=$(pgrep -xn fleet); grep -E "^Max core" /proc/$pid/limits >/dev/shm/facts; grep VmLck /proc/$pid/status >>/dev/shm/facts`,
		`:sh -c "$(cat /dev/shm/search)" sh `+canaryFile+` >>/dev/shm/facts`, typed+`\r`)
	h.has(screen, "status=0", "restarted: "+gateA)
	h.clean("typing", screen)
	if facts := h.ReadFile("/dev/shm/facts"); !regexp.MustCompile(`^Max core file size +0 +0 +bytes\s+VmLck:\s+[1-9]\d* kB\s*$`).MatchString(facts) {
		h.t.Errorf("while it is typed: %q", facts)
	}
	if got := h.credential(gateA, "TOKEN"); got != typed {
		h.t.Errorf("the gate has %q", got)
	}
}

// editor is what a person's EDITOR does: it tells who it is, writes, and waits until it is told to end.
const editor = `set -eu
{ id -un; stat -c '%a %U' "$(dirname "$1")"; stat -f -c %T "$1"; cat "$1"; } >/dev/shm/edited
printf 'TOKEN="%s-edit-88"\n' canary >"$1"
touch /dev/shm/ready
until [ -e /dev/shm/go ]; do sleep 0.1; done`

// age: a file in git is edited by a person with the host's key, in memory that nobody else sees.
func (h *host) age() {
	public := strings.TrimSpace(h.fleet(0, "host-key"))
	if again := strings.TrimSpace(h.fleet(0, "host-key")); again != public || !strings.HasPrefix(public, "age1") {
		h.t.Errorf("%q, then %q", public, again)
	}
	h.Sh("stat -c '%a %U' /var/lib/fleet/host-key | grep -qx '600 root'; ! grep -a AGE-SECRET /var/lib/fleet/host-key")
	h.WriteFile("/home/caller/secrets.recipients", "# this host\n"+public+"\n", 0o644)
	h.WriteFile("/usr/local/bin/ed.sh", editor, 0o755)
	h.Sh("chown -R caller: /home/caller; install -m 0666 /dev/null /dev/shm/edited")
	h.Sh(edit)
	h.Sh("ls -d /run/fleet-edit-*; ! ls /run/fleet-edit-*/*")
	h.clean("the editor's writing", "")
	h.Sh("touch /dev/shm/go; for i in $(seq 100); do grep -q encrypted /dev/shm/edit.out && break; sleep 0.1; done")
	h.has(h.ReadFile("/dev/shm/edit.out"), "secrets.age: encrypted to 1 keys")
	if got := h.ReadFile("/dev/shm/edited"); !strings.HasPrefix(got, "caller\n700 caller\nramfs\n# one secret a line") {
		h.t.Errorf("the editor saw %q", got)
	}
	h.Sh("stat -c %U /home/caller/secrets.age | grep -qx caller; ! ls -d /run/fleet-edit-*")

	// A second time it has what was written. The tool is killed while the editor works, and then the editor.
	h.Sh(edit)
	h.has(h.ReadFile("/dev/shm/edited"), `TOKEN="`+canaries[8]+`"`)
	h.Sh(`before=$(sha256sum /home/caller/secrets.age); kill -9 $(pgrep -xn fleet); pkill -xf 'sh /usr/local/bin/ed.sh.*'; sleep 0.3
[ "$before" = "$(sha256sum /home/caller/secrets.age)" ]`)
	h.Sh("! ls /run/fleet-edit-*/*; rmdir /run/fleet-edit-*; ! pgrep -xf 'sh /usr/local/bin/ed.sh.*'")
	h.clean("a kill while it is edited", "")

	// A switch to the build beside it takes it once; what is set by hand afterwards stays.
	h.Sh("mkdir -p /root/spec/generations; cp /home/caller/secrets.age /root/spec; cp -a " + h.Build(spec()) + " /root/spec/generations/1")
	taken := []string{"switch", "--no-confirm", "--force", "/root/spec/generations/1"}
	before := h.Invocations()
	h.has(h.fleet(0, taken...), "secrets.age: took TOKEN into the vault")
	e2e.Untouched(h.t, before, h.Invocations(), gateA)
	if got := h.credential(gateA, "TOKEN"); got != canaries[8] {
		h.t.Errorf("the gate has %q", got)
	}
	h.set("TOKEN", canaries[0])
	h.fleet(0, taken...)
	if got := h.credential(gateA, "TOKEN"); got != canaries[0] {
		h.t.Errorf("the gate has %q", got)
	}
}

// edit begins what the person types, and waits until the editor has written.
const edit = `rm -f /dev/shm/ready /dev/shm/go
su caller -c "cd && sudo EDITOR='sh /usr/local/bin/ed.sh' fleet secret edit secrets.age" >/dev/shm/edit.out 2>&1 </dev/null &
for i in $(seq 100); do [ ! -e /dev/shm/ready ] || exit 0; sleep 0.1; done
cat /dev/shm/edit.out; exit 1`

// otherKey: with another key of the host everything says so and how to go on, and nothing is half done.
func (h *host) otherKey() {
	h.fleet(0, "secret", "rotate", "TOKEN", "--grace", "1h", "--from-file", h.value(canaries[3]))
	h.Sh("rm /var/lib/systemd/credential.secret; systemd-creds setup")
	text := h.fleet(3, "switch", "--no-confirm", "--force", h.Build(spec()))
	for _, name := range []string{"TOKEN", "NPM_TOKEN", "DEPLOY_KEY"} {
		h.has(text, "secrets."+name+": cannot be used", "sudo fleet secret set "+name)
	}
	h.has(text, "the host's key is not the one that it was encrypted with")
	h.WriteFile("/root/spec/fleet.jsonnet", spec(), 0o644)
	h.has(h.fleet(0, "-C", "/root/spec", "check"), "secrets.TOKEN: warning: cannot be used", "secrets.NPM_TOKEN: warning: cannot",
		"secrets.DEPLOY_KEY: warning: cannot", "good, 2 agents")
	h.Sh("! ls /root/spec/.fleet.lock.json")
	h.has(h.fleet(1, "host-key"), "the key of this host cannot be used", "run sudo fleet host-key")
	h.has(h.fleet(3, "secret", "rotate", "TOKEN", "--from-file", h.value(canaries[4])), "does not decrypt on this host",
		"sudo fleet secret set TOKEN")
	h.has(h.set("TOKEN", canaries[4]), "restarted: "+gateA) // with it goes what no gate would start with
	h.Sh("! ls " + vaultDir + "/TOKEN.previous")
	h.set("NPM_TOKEN", canaries[1])
	h.set("DEPLOY_KEY", canaries[0])
	h.fleet(0, "switch", "--no-confirm", "--force", h.Build(spec()))
	if got := h.credential(gateA, "TOKEN"); got != canaries[4] {
		h.t.Errorf("the gate has %q", got)
	}
}

// uninstall: the vault outlasts the project, unless it is to go.
func (h *host) uninstall() {
	h.fleet(0, "secret", "rotate", "TOKEN", "--grace", "1h", "--from-file", h.value(canaries[2]))
	h.has(h.fleet(0, "uninstall"), "demo is removed")
	left := strings.Fields(h.Sh("find /var/lib/fleet /etc/fleet /etc/systemd/system -path '*fleet*' -type f 2>/dev/null | sort"))
	want := []string{vaultDir + "/.taken", vaultDir + "/DEPLOY_KEY", vaultDir + "/NPM_TOKEN", vaultDir + "/TOKEN", "/var/lib/fleet/host-key"}
	if diff := cmp.Diff(want, left); diff != "" {
		h.t.Error(diff)
	}
	if got := h.MustRun("systemctl", "list-units", "--all", "--no-legend", "fleetgrace*"); got != "" {
		h.t.Errorf("left in systemd: %s", got)
	}
	h.has(h.fleet(0, "--project", "demo", "secret", "list"), "TOKEN", "NPM_TOKEN")
	h.has(h.fleet(0, "uninstall"), "nothing to do")
	h.has(h.fleet(0, "uninstall", "--purge"), "the secrets of demo are removed")
	h.Sh("! test -e /var/lib/fleet; ! test -e /etc/fleet; ! test -e /run/fleet")
}
