//go:build machine

package origins

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// Everything answers, is counted, and comes back with a boot.
func TestOrigins(t *testing.T) {
	t.Parallel()
	m := machinetest.New(t, machinetest.Options{Options: machine.Options{Files: []machine.File{File()}}, Bare: true})
	n := Start(t, m)
	m.WriteFile("/etc/resolv.conf", "nameserver "+Resolver+"\n", 0o644)
	n.Public("web.test", "expired.test", "alias.test")
	n.Names(map[string]Answer{
		"meta.test": {Addresses: []string{"169.254.169.254"}}, "turn.test": {Addresses: []string{"1.1.1.1"}, Then: [][]string{{"1.0.0.1"}}},
		"www.test": {CNAME: "alias.test"}, "broken.test": {Fail: "SERVFAIL"}, "many.test": {Addresses: make1000()},
	})
	for command, want := range map[string]string{
		"curl -sS http://web.test/x":                        "origin web.test GET /x",
		"curl -sS --http2 https://web.test/y":               "origin web.test GET /y",
		"curl -sS https://expired.test/ 2>&1 || :":          "expired",
		"curl -sS http://meta.test/z":                       "origin meta.test GET /z",
		"getent ahostsv4 turn.test | head -1":               "1.1.1.1",
		"curl -sS http://www.test/ --data abc -X PUT":       "origin www.test PUT /",
		"getent hosts broken.test || echo none":             "none",
		"getent ahostsv4 many.test | grep -c STREAM":        "1000",
		"getent hosts nowhere.test || echo none":            "none",
		"curl -sS http://127.0.0.1/h":                       "origin 127.0.0.1 GET /h",
		"bash -c 'read -r a </dev/tcp/1.2.3.4/22; echo $a'": "SSH-2.0-origin",
	} {
		if got, _ := m.Try("sh", "-c", command); !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", command, got, want)
		}
	}
	if got := m.Sh("getent ahostsv4 turn.test | head -1"); !strings.Contains(got, "1.0.0.1") {
		t.Errorf("a second look-up: %s", got)
	}
	s := n.Seen()
	if s.To("169.254.169.254", 80) == 0 || s.To("1.2.3.4", 22) == 0 || s.To("9.9.9.9", 0) != 0 {
		t.Errorf("packets: %+v", s.Packets)
	}
	if r := s.Requested("web.test"); len(r) != 2 {
		t.Errorf("requests: %+v", s.Requests)
	}
	if s.Asked("many.test") < 2 || s.Asked("web.test") == 0 {
		t.Errorf("questions: %+v", s.Queries)
	}
	host := 0
	for _, c := range s.Connections {
		if c.Host {
			host++
		}
	}
	if host != 1 {
		t.Errorf("connections: %+v", s.Connections)
	}
	n.Forget()
	if s := n.Seen(); len(s.Requests)+len(s.Queries) > 0 {
		t.Errorf("not forgotten: %+v", s)
	}
	m.Sh("systemd-run --quiet --unit=hold --service-type=notify --property=NotifyAccess=all " +
		"bash -c 'exec 3<>/dev/tcp/1.2.3.4/22; read -r a <&3; systemd-notify --ready; exec sleep infinity'")
	if n.Seen().To("1.2.3.4", 22) == 0 {
		t.Error("a connection that is held was not seen")
	}
	n.Forget()
	m.Sh("systemctl stop hold; sleep 0.3")
	if s := n.Seen(); s.To("1.2.3.4", 22) > 0 {
		t.Errorf("the end of an older connection is counted: %+v", s.Packets)
	}
	m.MustReboot()
	n.Wait()
	if got := m.Sh("curl -sS https://web.test/again"); !strings.Contains(got, "/again") {
		t.Errorf("after a boot: %s", got)
	}
}

func make1000() (out []string) {
	for i := range 1000 {
		out = append(out, "93.184."+strconv.Itoa(i/250)+"."+strconv.Itoa(1+i%250))
	}
	return out
}
