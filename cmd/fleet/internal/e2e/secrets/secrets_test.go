//go:build machine

package secrets

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"fleet/cmd/fleet/internal/e2e"
)

const vaultDir = "/var/lib/fleet/demo/secrets"

// The values of a project from before its first switch to after its end.
func TestSecrets(t *testing.T) {
	t.Parallel()
	h := boot(t)
	for _, c := range []struct {
		name string
		run  func(*host)
	}{
		{"the search finds", (*host).searchFinds},
		{"B31 missing and damaged", (*host).missing},
		{"set and list", (*host).setAndList},
		{"from a command", (*host).fromCommand},
		{"in the live generation", (*host).standsThere},
		{"rotate", (*host).rotate},
		{"rotate over a power cut", (*host).rotateCut},
		{"remove", (*host).remove},
		{"import", (*host).importFiles},
		{"terminal", (*host).terminal},
		{"busy", (*host).busy},
		{"age", (*host).age},
		{"host key changed", (*host).otherKey},
		{"uninstall", (*host).uninstall},
	} {
		if !t.Run(c.name, func(t *testing.T) { c.run(h.on(t)) }) {
			return // the next ones build on it
		}
	}
}

// searchFinds: each place where a value must not be is looked at.
func (h *host) searchFinds() {
	const planted = "canary-planted-00"
	h.WriteFile("/dev/shm/planted", planted+"\n", 0o600)
	for place, script := range map[string]string{
		"/var/lib/x":      "echo " + planted + " >/var/lib/x",
		"/run/x":          "printf '\\0" + planted + "' >/run/x",
		"/home/x":         "mkdir /home/x; echo " + planted + " >/home/x/.viminfo",
		"MESSAGE=":        "logger " + planted + "; journalctl --sync",
		"/proc/N/environ": "X=" + planted + " sleep 5 &",
		"/proc/N/cmdline": "sh -c 'sleep 5; :' " + planted + " &",
	} {
		h.WriteFile("/dev/shm/plant", script, 0o600)
		h.Sh("sh /dev/shm/plant >/dev/null 2>&1 </dev/null")
		found := h.Holding("/dev/shm/planted")
		if !strings.Contains(process.ReplaceAllString(found, "/proc/N/"), place) {
			h.t.Errorf("not found in %s:\n%s", place, found)
		}
	}
	h.Sh("rm -r /var/lib/x /run/x /home/x /dev/shm/plant*")
}

// process is the folder of one.
var process = regexp.MustCompile(`/proc/[0-9]+/`)

// missing: a switch whose secrets are missing or damaged is refused before anything is changed, all of them at once.
func (h *host) missing() {
	h.has(h.fleet(3, "secret", "list"), "there is no build here", "--project")
	h.has(h.fleet(0, "--project", "demo", "secret", "set", "TOKEN", "--from-file", h.value(canaries[0])),
		"TOKEN: set", "this host has no project demo yet")
	h.fleet(0, "--project", "demo", "secret", "rm", "TOKEN")
	build := h.Build(spec())
	text := h.fleet(3, "switch", "--no-confirm", build)
	h.has(text, "secrets.TOKEN: has no value on this host", "secrets.NPM_TOKEN: has no value", "secrets.DEPLOY_KEY: has no",
		"sudo fleet secret set TOKEN")
	h.Sh("! test -e /run/fleet/demo/active; ! ls /etc/fleet/demo/generations/1")
	h.has(h.fleet(3, "switch", "--no-confirm", "--dry-run", build), "secrets.TOKEN")

	h.set("TOKEN", canaries[0]+"\n")
	h.set("NPM_TOKEN", canaries[1])
	h.set("DEPLOY_KEY", canaries[5]+"\n\x00\xff\n")
	h.Sh("cp " + vaultDir + "/TOKEN /root/kept; cp " + vaultDir + "/NPM_TOKEN " + vaultDir + "/TOKEN")
	h.has(h.fleet(3, "switch", "--no-confirm", build), "secrets.TOKEN: cannot be used", "under another name")
	h.Sh("printf damaged >" + vaultDir + "/TOKEN")
	text = h.fleet(3, "switch", "--no-confirm", build)
	h.has(text, "secrets.TOKEN: cannot be used", "the file is damaged")
	if strings.Contains(text, "NPM_TOKEN") {
		h.t.Errorf("what is whole is named:\n%s", text)
	}
	h.Sh("cp /root/kept " + vaultDir + "/TOKEN")
	h.Switch(build)
	h.gates()
	if got := h.credential(gateA, "TOKEN") + h.credential(gateB, "NPM_TOKEN"); got != canaries[0]+canaries[1] {
		h.t.Errorf("the gates have %q", got)
	}
	if got := h.credential(agentA, "DEPLOY_KEY"); got != canaries[5]+"\n\x00\xff\n" {
		h.t.Errorf("the agent has %q", got)
	}
	if got := h.credential(gateA, "TOKEN.previous"); got != nothing {
		h.t.Errorf("before a rotation %q is kept", got)
	}
	if got := h.MustRun("stat", "-c", "%a %U %n", vaultDir, vaultDir+"/TOKEN"); got != "700 root "+vaultDir+"\n600 root "+vaultDir+"/TOKEN" {
		h.t.Errorf("modes: %s", got)
	}
	h.clean("the first switch", "")
}

// setAndList: exactly what uses a value is restarted, nothing where the value is the same.
func (h *host) setAndList() {
	before := h.Invocations()
	h.has(h.set("TOKEN", canaries[2]), "TOKEN: set", "restarted: "+gateA)
	e2e.Untouched(h.t, before, h.Invocations(), gateA)
	if got := h.credential(gateA, "TOKEN"); got != canaries[2] {
		h.t.Errorf("the gate has %q", got)
	}
	// A value that the gate cannot use stays, and the cause is said; the next one mends it.
	h.has(h.fleet(1, "secret", "set", "TOKEN", "--from-file", h.value(canaries[0]+" two words")), "TOKEN: set", gateA+": restart failed",
		"hint: the change in the vault stays")
	h.has(h.set("TOKEN", canaries[2]), "restarted: "+gateA)
	before = h.Invocations()
	h.has(h.set("TOKEN", canaries[2]), "TOKEN: is so already")
	h.has(h.set("DEPLOY_KEY", canaries[5]+"\n2\n"), "agent a has what it was started with", "sudo fleet restart a")
	e2e.Untouched(h.t, before, h.Invocations())
	h.has(h.set("TOKNE", canaries[3]), "nothing in the live generation uses TOKNE: did you mean TOKEN?")

	var rows []struct {
		Name, Set, Previous string
		Dispositions, Users []string
	}
	if err := json.Unmarshal([]byte(h.fleet(0, "secret", "list", "--json")), &rows); err != nil || len(rows) != 4 {
		h.t.Fatalf("%+v, %v", rows, err)
	}
	for i, want := range []string{"DEPLOY_KEY expose " + agentA, "NPM_TOKEN broker " + gateB, "TOKEN broker " + gateA, "TOKNE  "} {
		r := rows[i]
		got := r.Name + " " + strings.Join(r.Dispositions, ",") + " " + strings.Join(r.Users, ",")
		if at, err := time.Parse(time.RFC3339, r.Set); got != want || err != nil || time.Since(at) > time.Hour || r.Previous != "" {
			h.t.Errorf("%+v, want %s", r, want)
		}
	}
	h.has(h.fleet(0, "secret", "list"), "NAME", "TOKNE", "expose", agentA)
	h.fleet(0, "secret", "rm", "TOKNE")
}

// fromCommand: a command runs as the user who called, with that user's home and groups.
func (h *host) fromCommand() {
	h.Sh("useradd -m -G adm caller; echo 'caller ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/caller")
	h.WriteFile("/home/caller/show", "echo $(id -un):$(id -Gn):$HOME:$(cat "+canaryFile+" 2>&1) | tr ' ' +", 0o755)
	h.Sh(`su caller -c "sudo fleet secret set TOKEN --from-command 'sh ~/show'"`)
	got := h.credential(gateA, "TOKEN")
	h.has(got, "caller:caller+adm:/home/caller:", "Permission+denied")
	out, exit := h.Try("su", "caller", "-c", "sudo fleet secret set TOKEN --from-command 'echo half; exit 3'")
	if exit != 1 || !strings.Contains(out, "the command, run as caller: exit status 3") {
		h.t.Errorf("a command that fails: %d, %s", exit, out)
	}
	if now := h.credential(gateA, "TOKEN"); now != got {
		h.t.Errorf("a command that failed set %q", now)
	}
	for text, want := range map[string]string{"printf short": "at least 8 bytes", "true": "must not be empty", "head -c 70000 /dev/zero": "at most 65536"} {
		h.has(h.fleet(3, "secret", "set", "TOKEN", "--from-command", text), want)
	}
	h.set("TOKEN", canaries[2])
}

// standsThere: what anyone can read is no secret.
func (h *host) standsThere() {
	h.has(h.fleet(3, "secret", "set", "TOKEN", "--from-file", h.value("X-Fleet-Agent=a")), "its value stands in /etc/fleet/demo/",
		"anyone may read it there")
	if got := h.credential(gateA, "TOKEN"); got != canaries[2] {
		h.t.Errorf("the gate has %q", got)
	}
	// And what is a secret already does not come to where anyone can read it.
	build := h.Build(e2e.Spec(idle, holding, `{ agents+: { b+: { prompt: 'echo `+canaries[2]+`' } } }`))
	exit, out, errOut := h.Fleet("switch", "--no-confirm", build)
	h.has(out+errOut, "check the host (P0)", "TOKEN: its value stands in /root/builds/", "take it out of the spec")
	h.Sh("rm -r " + build)
	if h.clean("a switch to a build with the value", out+errOut); exit != 3 {
		h.t.Errorf("exit status %d", exit)
	}
}

// rotate: the old value stays beside the new one until the grace ends.
func (h *host) rotate() {
	h.has(h.fleet(3, "secret", "rotate", "TOKENS", "--from-file", h.value(canaries[3])), "TOKENS has no value", "did you mean TOKEN?")
	before := h.Invocations()
	h.has(h.fleet(0, "secret", "rotate", "TOKEN", "--grace", "8s", "--from-file", h.value(canaries[3])), "TOKEN: rotated", gateA)
	e2e.Untouched(h.t, before, h.Invocations(), gateA)
	if got := h.credential(gateA, "TOKEN") + h.credential(gateA, "TOKEN.previous"); got != canaries[3]+canaries[2] {
		h.t.Errorf("the gate has %q", got)
	}
	h.has(h.fleet(0, "secret", "list"), "the value before is kept")
	h.has(h.fleet(3, "secret", "rotate", "TOKEN", "--from-file", h.value(canaries[3])), "has this value already")
	h.gone(vaultDir + "/TOKEN.previous")
	h.gone("/etc/systemd/system/fleetgrace-demo-TOKEN.service")
	h.Sh("! ls /etc/systemd/system/fleetgrace* /etc/systemd/system/*/fleetgrace* /var/lib/systemd/timers/stamp-fleetgrace*")

	h.fleet(0, "secret", "rotate", "TOKEN", "--from-file", h.value(canaries[4]))
	h.has(h.fleet(0, "secret", "rotate", "TOKEN", "--end"), "the old value is removed")
	h.has(h.fleet(0, "secret", "rotate", "TOKEN", "--end"), "nothing to do")
	h.Sh("! ls " + vaultDir + "/TOKEN.previous /etc/systemd/system/fleetgrace* /var/lib/systemd/timers/stamp-fleetgrace*; ! systemctl is-active fleetgrace-demo-TOKEN.timer")
}

// rotateCut: a grace that ends while the host is off ends when it boots, without the tool.
func (h *host) rotateCut() {
	file := h.value(canaries[3])
	if exit, out, errOut := h.Fleet("secret", "rotate", "TOKEN", "--grace", "12s", "--from-file", file); exit != 0 {
		h.t.Fatalf("exit status %d\n%s%s", exit, out, errOut)
	}
	h.Sh("mv /usr/local/bin/fleet /root/fleet-away; sync; ls " + vaultDir + "/TOKEN.previous")
	if err := h.Kill(); err != nil {
		h.t.Fatal(err)
	}
	time.Sleep(12 * time.Second)
	ctx, cancel := context.WithTimeout(h.t.Context(), 3*time.Minute)
	defer cancel()
	if err := h.Start(ctx); err != nil {
		h.t.Fatal(err)
	}
	h.gone(vaultDir + "/TOKEN.previous")
	h.Sh("mv /root/fleet-away /usr/local/bin/fleet")
	h.prepare()
	h.Eventually("the agents", 30*time.Second, func() error {
		_, _, err := h.Run(h.t.Context(), "systemctl", "is-active", "--quiet", agentA, agentB)
		return err
	})
	h.gates()
	if got := h.credential(gateA, "TOKEN") + h.credential(gateA, "TOKEN.previous"); got != canaries[3]+nothing {
		h.t.Errorf("the gate has %q", got)
	}
	h.clean("the end of the grace at boot", "")
}

// remove: what is needed stays, unless it is forced; then what runs with it is stopped.
func (h *host) remove() {
	h.has(h.fleet(3, "secret", "rm", "NPM_TOKEN"), "NPM_TOKEN is needed by "+gateB, "--force")
	h.has(h.fleet(3, "secret", "rm", "NPM_TOKN"), "has no value", "did you mean NPM_TOKEN?")
	before := h.Invocations()
	h.has(h.fleet(0, "secret", "rm", "NPM_TOKEN", "--force"), "NPM_TOKEN: removed", "stopped, and does not start without it: "+gateB)
	e2e.Untouched(h.t, before, h.Invocations(), gateB, "fleet-demo_gates.slice")
	if out, exit := h.Try("systemctl", "start", gateB); exit == 0 {
		h.t.Errorf("the gate starts without its secret: %s", out)
	}
	h.has(h.fleet(0, "secret", "list"), "no value")
	h.has(h.set("NPM_TOKEN", canaries[1]), "restarted: "+gateB) // it had failed
	if got := h.credential(gateB, "NPM_TOKEN"); got != canaries[1] {
		h.t.Errorf("the gate has %q", got)
	}
}

// importFiles: everything in a file or nothing, and only what is used.
func (h *host) importFiles() {
	const env = "/root/x.env"
	h.WriteFile(env, "TOKEN=bad\nlower\nNPM_TOKEN='unclosed\n", 0o600)
	before := h.Invocations()
	h.has(h.fleet(3, "secret", "import", env), "x.env: line 2: must be NAME=VALUE", "line 3: the quote ' must be closed")
	h.WriteFile(env, "TOKEN=bad\nNPM_TOKEN=enough-of-it\n", 0o600)
	h.has(h.fleet(3, "secret", "import", env), "x.env: line 1: TOKEN: the value must have at least 8 bytes")
	h.has(h.fleet(3, "secret", "import", "/root/nosuch.env"), "there is no file /root/nosuch.env")
	e2e.Untouched(h.t, before, h.Invocations())
	if got := h.credential(gateB, "NPM_TOKEN"); got != canaries[1] {
		h.t.Errorf("half of a file was taken: %q", got)
	}
	// The file itself holds values: it is taken away before they are looked for.
	h.WriteFile("/dev/shm/y.env", "export TOKEN=\""+canaries[1]+"\\\\\"\nNPM_TOKEN="+canaries[0]+" # c\nNPM_TOKE=other-value\n"+
		"DEPLOY_KEY=\""+canaries[5]+"\\n\n2\"\n", 0o600)
	h.has(h.fleet(0, "secret", "import", "/dev/shm/y.env"), "left out, since nothing uses them: NPM_TOKE (did you mean NPM_TOKEN?)",
		"DEPLOY_KEY, NPM_TOKEN, TOKEN: set", "restarted: "+gateA+", "+gateB, "agent a has what it was started with")
	if got := h.credential(gateA, "TOKEN") + h.credential(gateB, "NPM_TOKEN"); got != canaries[1]+"\\"+canaries[0] {
		h.t.Errorf("the gates have %q", got)
	}
	h.MustRun("systemctl", "restart", agentA)
	if got := h.credential(agentA, "DEPLOY_KEY"); got != canaries[5]+"\n\n2" {
		h.t.Errorf("the agent has %q", got)
	}
	h.Sh("rm -f " + env)

	h.has(h.fleet(3, "secret", "import", "/root/x.sops.yaml"), "sops is not installed")
	h.WriteFile("/usr/local/bin/sops", `#!/bin/sh
[ "$*" = "--decrypt --output-type json /home/caller/x.sops.yaml" ] || exit 9
printf '{"TOKEN":"%s","NPM_TOKEN":90817263542}' "`+canaries[7][:6]+`$(printf '%s' -sops-77)-$(id -un)"`, 0o755)
	h.MustRun("su", "caller", "-c", "sudo fleet secret import ~/x.sops.yaml")
	if got := h.credential(gateA, "TOKEN") + h.credential(gateB, "NPM_TOKEN"); got != canaries[7]+"-caller90817263542" {
		h.t.Errorf("the gates have %q", got)
	}
	h.has(h.fleet(3, "secret", "import", "/root/x.sops.json"), "decrypt /root/x.sops.json", "exit status 9")
	h.clean("the import of a file of sops", "")
}

// busy: while a switch is under way nothing is changed, and its holder is named.
func (h *host) busy() {
	h.Sh("flock -o /run/fleet/lock-demo sleep 30 >/dev/null 2>&1 & echo $! >/run/holder; sleep 0.3")
	h.has(h.fleet(3, "secret", "set", "TOKEN", "--from-file", h.value(canaries[0])), "lock-demo is held by")
	h.Sh("kill $(cat /run/holder); rm /run/holder")
	h.set("TOKEN", canaries[0])
}
