//go:build machine

package egress

import (
	"fmt"
	"strings"
	"testing"

	"fleet/cmd/fleet/internal/e2e/origins"
)

// addressForms are addresses of the host and of others as somebody reads them.
var addressForms = []string{
	"127.0.0.1", "0.0.0.0", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "127.0.1", "0x5db8d70e", "017700000001",
	"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[fe80::1%25lo]", "[fe80::1%lo]",
	"[::ffff:93.184.215.14]", "[" + origins.Address6 + "]", origins.Address, "169.254.169.254", "10.1.2.3", origins.HostAddress, "127.64.0.2", "127.128.0.1",
	"93.184.215.14.", "93.184.215.014", "١٢٧.٠.٠.١", "127。0。0。1", "1.1", "255.255.255.255", "224.0.0.1",
}

// anyAddress are the reasons that an address is refused for: none is listed, is public, or has one reading.
const anyAddress = "address-not-listed|bad-host|private-address|forbidden-address|malformed|bad-request"

// E5, B1, B2, B3: addresses in place of names, in CONNECT, in a URL, in Host, in SNI, in a question, and as they are.
func TestEGRE5Addresses(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, a *agent) {
		a.blocked(together(
			named(anyAddress, "CONNECT", addressForms, func(a *agent, in string) error { return connect(in + ":443")(a) }),
			named(anyAddress, "CONNECT to port 80", addressForms[:16], func(a *agent, in string) error { return connect(in + ":80")(a) }),
			named(anyAddress, "forward", addressForms, func(a *agent, in string) error { return forward(in)(a) }),
			named(anyAddress, "a URL in curl", []string{"127.1", "0x7f000001", "2130706433", origins.Address, "[::1]", "169.254.169.254"},
				func(a *agent, in string) error {
					out, exit := a.sh(order{Script: "NO_PROXY= no_proxy= curl -sS -g -f http://" + in + "/"})
					return failed(out, exit)
				}),
			named("other-name", "Host", []string{"127.0.0.1", origins.Address, "[::1]", "2130706433", "evil.test"}, func(a *agent, in string) error {
				return a.say("web.test:80", "GET / HTTP/1.1\r\nHost: "+in+"\r\n\r\n")
			}),
			hellos("other-name|not-tls", "SNI "+origins.Address, "web.test", helloWith(origins.Address)),
		))
		// Without a name nothing is asked. What does not go to the gate by itself never gets there in mode user.
		direct := map[string]string{"namespace": "address-not-listed|private-address|forbidden-address|port-not-listed", "user": kernel}[isolation[a.key]]
		a.blocked(named(direct, "dial", []string{
			origins.Address + ":443", origins.Address + ":80", "1.1.1.1:443", "169.254.169.254:80", "10.1.2.3:80", "10.9.8.7:443", origins.HostAddress + ":80",
			"[::ffff:93.184.215.14]:443", "168.63.129.16:80",
		}, func(a *agent, in string) error { return dial(in)(a) }))
		a.blocked(named("address-not-listed|forbidden-address|port-not-listed", "an address of no name", []string{"127.64.77.77:443", "127.100.0.1:80"},
			func(a *agent, in string) error { return dial(in)(a) }))
		// An address that a rule names with private works in each mode, and is no way to another port of it.
		a.blocked([]attempt{{"another port of it", connect("10.9.8.7:443"), "address-not-listed|port-not-listed|private-address", ""}})
		a.must(order{Script: "curl -sS http://10.9.8.7/lit", Plain: true}, "origin 10.9.8.7 GET /lit")
		a.must(order{Script: "curl -sS http://10.9.8.7/lit"}, "origin 10.9.8.7 GET /lit")
		a.reload() // ends the gate's connection there, which would be heard of during later attempts
		if t.Failed() {
			return
		}
		if out, _ := a.sh(order{Script: "getent ahosts 2130706433.evil.test; getent ahosts " + origins.Address6 + ".test"}); strings.Contains(out, "127.") {
			t.Errorf("names of digits: %s", out)
		}
	})
}

// failed makes an error of an exit status.
func failed(out string, exit int) error {
	if exit == 0 {
		return nil
	}
	return fmt.Errorf("exit status %d: %.200s", exit, out)
}
