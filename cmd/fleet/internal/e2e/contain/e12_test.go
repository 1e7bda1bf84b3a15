//go:build machine

package contain

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Services of the host, on every address and socket, and other agents are out of reach.
func TestEGRE12Services(t *testing.T) {
	t.Parallel()
	f := share(t)
	f.send("begin listen "+ownPort, "n2", "u2")
	for _, key := range []string{"n2", "u2"} {
		f.told(key, "begin")
	}
	f.served()
	counted := f.rejected("u1")
	all := f.act("E12", "n1", "u1")
	// An abstract socket is known by its name in the host's network namespace, where no file mode guards it.
	// Name servers on loopback are the gate, whatever their address: the host's own sees nothing.
	gate := []string{"TCP to 127.0.0.53:53", "UDP to 127.0.0.53:53"}
	own := mayBe("TCP to " + ownAddress + ":7002")
	f.refused(all, map[string][]string{"n1": append([]string{own}, gate...), "u1": append(gate, "connect "+abstractName)})
	if want := "Agent u1 shares the host's network namespace: abstract Unix sockets of the host are in its sight"; !strings.Contains(f.report(), want) {
		t.Errorf("REPORT.md has not %q", want)
	}
	if got := f.served(); len(got) != 1 || !strings.HasPrefix(got[0], abstractName) {
		t.Errorf("the host's services saw %q", got)
	}
	if got := f.rejected("u1"); got <= counted {
		t.Errorf("the firewall rejected %d packets of u1 before and %d after", counted, got)
	}
	f.free("E12")
	var seen []string
	f.Eventually("somebody free is seen by the host's services", 20*time.Second, func() error { // they write after the answer
		if seen = append(seen, f.served()...); len(seen) < len(hostPaths)+len(hostPorts) {
			return fmt.Errorf("they saw %q", seen)
		}
		return nil
	})
}

// A development server of an agent's own is reached by itself: in mode namespace at any port, in mode user at those of
// localPorts, and there by the host too.
func TestEGRE12OwnServer(t *testing.T) {
	t.Parallel()
	f := share(t)
	all := f.act("own", agents...)
	for key, want := range map[string]bool{"n1": true, "n2": true, "u1": false, "u2": true} {
		if got := all[key][0]; got.Done != want {
			t.Errorf("%s (%s): %s: %s", key, isolation[key], got.Name, got.Detail)
		}
	}
	f.send("begin listen "+ownPort, "u2")
	f.told("u2", "begin")
	f.Eventually("the person reaches the agent's server", 20*time.Second, func() error { // it has only begun
		if out, exit := f.Try("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/"+ownPort); exit != 0 {
			return errors.New(out)
		}
		return nil
	})
}

// report is what the live generation tells a reviewer.
func (f *fleet) report() string {
	f.t.Helper()
	return f.ReadFile("/run/fleet/demo/active/REPORT.md")
}
