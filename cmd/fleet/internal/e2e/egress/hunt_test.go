//go:build machine

package egress

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// patterns are the forms of the values of some secrets, one a line.
func patterns(names ...string) string {
	var out []string
	for _, name := range names {
		for _, form := range forms(values[name]) {
			out = append(out, form)
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), "\n") + "\n"
}

// brokered are the secrets that no agent has.
var brokered = []string{"API_KEY", "TOKEN", "SIGNED", "OTHERS", "NPM_TOKEN", "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "GITHUB_TOKEN"}

// hunt looks for values wherever one could be: in the memory, environment and command line of every process of the agents
// and of what else is not a gate, in files, journals and core dumps. What it reads with has them, and is left out.
func (l *lab) hunt(names ...string) (out []string) {
	l.t.Helper()
	for _, where := range [][]string{
		{program, "scan"},
		{"grep", "-rlaF", "-f", "-", "--exclude-dir=credentials", "/etc", "/var", "/run", "/home", "/tmp", "/root"},
		{"sh", "-c", `p=$(cat); { journalctl --no-pager -a; journalctl --no-pager -a --namespace='*'; dmesg; fleet status; fleet egress log n1 --since 1h; coredumpctl list; } 2>&1 | grep -aF -- "$p" | head -c 300`},
	} {
		c, cancel := ctx()
		cmd := l.M.Command(c, where...)
		cmd.Stdin = strings.NewReader(patterns(names...))
		b, _ := cmd.Output() // grep's exit status says that nothing was found
		cancel()
		if len(bytes.TrimSpace(b)) > 0 {
			out = append(out, fmt.Sprintf("%s: %.500s", where[0], b))
		}
	}
	return out
}

// scan looks through the processes of everybody but root and the gates for the lines of its input.
func scan() error {
	in, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSuffix(in, []byte("\n")), []byte("\n"))
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	scanned := 0
	for _, dir := range all {
		status, err := os.ReadFile(dir + "/status")
		if err != nil || filepath.Base(dir) == strconv.Itoa(os.Getpid()) {
			continue
		}
		args, _ := os.ReadFile(dir + "/cmdline")
		if _, uid, _ := strings.Cut(string(status), "\nUid:\t"); strings.HasPrefix(uid, "0\t") || holds(args) {
			continue
		}
		scanned++
		env, _ := os.ReadFile(dir + "/environ")
		report(dir, "cmdline", args, lines)
		report(dir, "environ", env, lines)
		memory(dir, lines)
	}
	if scanned < 4 {
		return fmt.Errorf("only %d processes were looked at", scanned)
	}
	return nil
}

// holds tells of what may have a value: gates, sidecars and their tools.
func holds(args []byte) bool {
	return bytes.Contains(args, []byte("fleet-gate")) || bytes.Contains(args, []byte("fleet-sidecar")) ||
		bytes.Equal(args, []byte("/usr/local/bin/"+program+"\x00tool\x00"))
}

// memory looks through what a process can write.
func memory(dir string, lines [][]byte) {
	maps, err := os.ReadFile(dir + "/maps")
	if err != nil {
		return
	}
	mem, err := os.Open(dir + "/mem")
	if err != nil {
		return
	}
	defer mem.Close()
	for m := range strings.Lines(string(maps)) {
		var from, to int64
		var rights string
		if n, _ := fmt.Sscanf(m, "%x-%x %s", &from, &to, &rights); n != 3 || !strings.HasPrefix(rights, "rw") || to-from > 256<<20 {
			continue
		}
		b := make([]byte, to-from)
		n, _ := mem.ReadAt(b, from)
		report(dir, strings.TrimSpace(m), b[:n], lines)
	}
}

func report(dir, where string, b []byte, lines [][]byte) {
	for _, l := range lines {
		if bytes.Contains(b, l) {
			name, _ := os.ReadFile(dir + "/comm")
			fmt.Printf("%s %s %s has %d bytes of a value\n", dir, bytes.TrimSpace(name), where, len(l))
		}
	}
}

// No operation and no crash leaves a value where an agent, a reader of logs or git could find it.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	secret(t, func(t *testing.T, a *agent) {
		use := func() {
			t.Helper()
			a.must(order{Script: `curl -sSf -H "x-api-key: $API_KEY" https://key.test/mirror; curl -sSf -H "Authorization: Bearer $TOKEN" https://token.test/mirror`}, "")
		}
		gate := "fleet-demo-" + a.key + "-gate.service"
		for _, step := range []struct {
			name string
			do   func()
		}{
			{"use", use},
			{"list, check and status", func() {
				a.Sh("fleet secret list --project demo; fleet status; fleet explain secrets; fleet doctor || :")
			}},
			{"a new value", func() {
				values["API_KEY"] += "1"
				a.seal("API_KEY", values["API_KEY"])
				use()
			}},
			{"SIGABRT of the gate", func() { a.Sh("systemctl kill -s ABRT " + gate); use() }},
			{"SIGSEGV of the gate", func() { a.Sh("systemctl kill -s SEGV " + gate); use() }},
			{"SIGKILL of the gate", func() { a.Sh("systemctl kill -s KILL " + gate); use() }},
			{"crash of the agent", func() {
				a.Sh("systemctl kill -s ABRT fleet-demo-" + a.key + ".service")
				time.Sleep(2 * time.Second)
				a.await()
				use()
			}},
			{"reload", func() { a.Sh("systemctl reload " + gate); use() }},
		} {
			step.do()
			if found := a.hunt(brokered...); len(found) > 0 {
				t.Errorf("%s: %s", step.name, strings.Join(found, "\n"))
			}
		}
		if out, exit := a.sh(order{Script: "cat /run/credentials/*/* /var/lib/fleet/demo/secrets/*; ls /run/credentials/" + gate}); exit == 0 {
			t.Errorf("the agent reads %.200s", out)
		}
	})
	// The search finds what an agent does have.
	l := sealed.lab.on(t)
	a := l.agent(t, "n2")
	a.must(order{Script: `test "$OPEN_VALUE" = "$(cat "$CREDENTIALS_DIRECTORY/OPEN")"; echo "$OPEN_VALUE"`}, values["OPEN"])
	if found := l.hunt("OPEN"); len(found) == 0 {
		t.Error("the search does not find the value of a secret that an agent has")
	}
}
