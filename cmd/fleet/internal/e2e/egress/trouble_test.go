//go:build machine

package egress

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"fleet/schemas/audit"
)

// H5: who says that he is another agent, or goes to its gate, is himself all the same.
func TestCATH5OthersGate(t *testing.T) {
	t.Parallel()
	l := share(t)
	other := map[string]string{"n1": "n2", "u1": "u2"}
	for _, key := range both {
		t.Run(key+"-"+isolation[key], func(t *testing.T) {
			a, b := l.agent(t, key), l.agent(t, other[key])
			news := b.news()
			for _, header := range []string{"X-Fleet-Agent: " + b.key, "Proxy-Authorization: Basic dTI6eA==", "Forwarded: for=" + b.key, "X-Forwarded-User: demo-" + b.key} {
				path := "/h5-" + strings.ToLower(header[:4])
				if err := a.say(a.proxy, "GET http://web.test"+path+" HTTP/1.1\r\nHost: web.test\r\n"+header+"\r\nConnection: close\r\n\r\n"); err != nil {
					t.Errorf("%s: %v", header, err)
				}
				a.audited(header, func(e audit.Entry) bool { return e.Agent == a.key && e.Path == path })
			}
			uid, err := strconv.Atoi(strings.TrimSpace(l.Sh("id -u demo-" + b.key)))
			if err != nil {
				t.Fatal(err)
			}
			theirs := fmt.Sprintf("127.%d.%d.%d", 128+uid>>16, uid>>8&255, uid&255)
			for _, port := range []int{23053, 23128, 23129, 3128} {
				c, err := a.dial("tcp", fmt.Sprintf("%s:%d", theirs, port))
				if err != nil {
					continue
				}
				// In a namespace of its own that address is the agent's, whose gate takes what goes to any.
				if isolation[a.key] == "user" {
					t.Errorf("%s reaches port %d of the gate of %s", a.key, port, b.key)
				}
				_ = talk(c, "GET http://web.test/h5 HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n")
				c.Close()
			}
			for _, e := range news() {
				t.Errorf("there is a record of %s: %+v", b.key, e)
			}
			for _, socket := range []string{"control", "audit.0"} {
				path := "/run/fleet/demo/egress/gate/" + b.key + "/" + socket
				if out, exit := a.sh(order{Script: "cat " + path + " || curl -sS --unix-socket " + path + " http://gate/status"}); exit == 0 {
					t.Errorf("%s reads %s: %s", a.key, path, out)
				}
			}
		})
	}
}

// H8: while the journal takes nothing, nothing new is allowed, and status says why; what was open goes on.
func TestCATH8Journal(t *testing.T) {
	t.Parallel()
	l := churn(t)
	all := l.agents(t)
	const journald = "systemd-journald@fleet-demo.service"
	for _, key := range both {
		t.Run(key+"-"+isolation[key], func(t *testing.T) {
			a := all[key].on(t)
			c, err := a.connect("echo.test:7")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			a.MustRun("systemctl", "kill", "-s", "STOP", journald)
			defer a.Run(t.Context(), "systemctl", "kill", "-s", "CONT", journald)
			a.Eventually("nothing is allowed", time.Minute, func() error {
				if out, exit := a.sh(order{Script: `for i in $(seq 300); do curl -sS -m 10 -o /dev/null -w '%{http_code}\n' http://web.test/h8 || exit 0; done | grep -q 503`}); exit != 0 {
					return fmt.Errorf("it is: %s", out)
				}
				return nil
			})
			a.net.Forget()
			if err := a.say(a.proxy, "GET http://web.test/mute HTTP/1.1\r\nHost: web.test\r\n\r\n"); err == nil || !strings.Contains(err.Error(), "503 unrecorded") {
				t.Errorf("got %v", err)
			}
			if leak := leaks(a.net.Seen(), ""); leak != "" {
				t.Errorf("the origins saw %s", leak)
			}
			if _, out, _ := a.Fleet("status", a.key); !strings.Contains(out, "its gate allows nothing new, since the journal takes none of its records") {
				t.Errorf("status: %s", out)
			}
			if _, err := io.WriteString(c, "still"); err != nil {
				t.Error(err)
			}
			b := make([]byte, 5)
			if _, err := io.ReadFull(c, b); err != nil || string(b) != "still" {
				t.Errorf("what was open: %q, %v", b, err)
			}
			a.MustRun("systemctl", "kill", "-s", "CONT", journald)
			a.Eventually("all is allowed again", usually, func() error {
				return a.say(a.proxy, "GET http://web.test/again HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n")
			})
			a.audited("what came then", func(e audit.Entry) bool { return e.Path == "/again" && e.Verdict == audit.Allow })
		})
	}
}

// H10: an agent neither reads nor writes the journal of the gates, and journalctl tells of a file that somebody changed.
func TestCATH10Tamper(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		a.blocked([]attempt{{"a host that is not listed", connect("evil.test:443"), "host-not-listed", ""}})
		news := a.news()
		for _, script := range []string{
			"journalctl -q --namespace=fleet-demo -n 3 --no-pager | grep .",
			"cat /var/log/journal/*.fleet-demo/*.journal",
			"cat /run/log/journal/*.fleet-demo/*.journal",
			"ls /run/systemd/journal.fleet-demo",
			"ls /var/lib/fleet/demo/egress/gate/" + a.key,
			`python3 -c "import socket; s=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect('/run/systemd/journal.fleet-demo/socket'); s.send(b'MESSAGE=forged')"`,
		} {
			if out, exit := a.sh(order{Script: script}); exit == 0 {
				t.Errorf("%s: %s", script, out)
			}
		}
		a.sh(order{Script: `printf 'MESSAGE=forged\nFLEET_EVENT=decision\nFLEET_PROJECT=demo\nFLEET_KIND=tls\nFLEET_VERDICT=allow\nFLEET_AGENT=` + a.key +
			`\nMESSAGE_ID=` + audit.MessageID + `\nFLEET_HOST=forged.test\n' | logger --journald`})
		for _, e := range news() {
			if e.Host == "forged.test" {
				t.Errorf("a forged record: %+v", e)
			}
		}
		a.Sh(`journalctl -q --namespace=fleet-demo --sync; journalctl -q --namespace=fleet-demo --rotate; rm -rf /tmp/h10; mkdir /tmp/h10
			cp "$(grep -rl FLEET_VERDICT=deny /var/log/journal /run/log/journal | head -1)" /tmp/h10/it.journal
			journalctl --verify --file=/tmp/h10/it.journal`)
		if out, exit := a.Try("sh", "-c", `sed -i 's/FLEET_VERDICT=deny/FLEET_VERDICT=permi/' /tmp/h10/it.journal && journalctl --verify --file=/tmp/h10/it.journal 2>&1`); exit == 0 {
			t.Errorf("a changed file is said to be whole: %s", out)
		}
	})
}

// E11 of the catalogue: clients that are gone in the middle of an upload, also one to a host that takes nothing, leave
// nothing open in the gate.
func TestCATE11Gone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		a.get("first")
		count := func() int {
			n, err := strconv.Atoi(strings.TrimSpace(a.Sh("ls /proc/" + a.gate() + "/fd | wc -l")))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := count()
		for _, script := range []string{
			"curl -sS --limit-rate 100k -T /usr/bin/bash http://web.test/echo",
			"curl -sS --limit-rate 100k -T /usr/bin/bash https://any.api.test/echo",
			"curl -sS --http2 --limit-rate 100k -T /usr/bin/bash https://any.api.test/echo",
			"curl -sS -p -T /usr/bin/bash http://silent.test:9/",
			"curl -sS -p -N http://silent.test:9/",
		} {
			out, _ := a.sh(order{Script: "for i in $(seq 8); do timeout -s KILL 0.3 " + script + " & done; wait; echo over", Time: time.Minute})
			if !strings.Contains(out, "over") {
				t.Errorf("%s: %s", script, out)
			}
		}
		for range 8 {
			c, err := a.dial("tcp", a.proxy)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(c, "POST http://web.test/echo HTTP/1.1\r\nHost: web.test\r\nContent-Length: 1000\r\n\r\nhalf"); err != nil {
				t.Error(err)
			}
			time.Sleep(50 * time.Millisecond) // the gate has begun to pass it on
			c.Close()
		}
		a.Eventually("nothing is left open", time.Minute, func() error {
			const kept = 8 // to hosts, for a next request
			if n := count(); n > before+kept {
				return fmt.Errorf("%d descriptors, %d before: %s", n, before, a.Sh("ls -l /proc/"+a.gate()+"/fd | tail -30"))
			}
			return nil
		})
		a.get("last")
	})
}
