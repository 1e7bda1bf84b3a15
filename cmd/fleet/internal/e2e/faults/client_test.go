//go:build machine

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"fleet/activate/machine"
)

// B5: whatever happens to the client and its terminal, the switch completes, and the same command tells its result.
func TestACTB5ClientGone(t *testing.T) {
	t.Parallel()
	h := boot(t, machine.Options{})
	h.first()
	for n, c := range []struct {
		name string
		run  func(*host, build)
	}{
		{"terminal", (*host).hangUp},
		{"interrupt", (*host).interrupt},
		{"killed", (*host).killClient},
		{"pipe", (*host).closePipe},
		{"closed", (*host).closeAll},
	} {
		b := h.build(spec(2 + n))
		began := time.Now()
		c.run(h, b)
		h.mustSay(h.fleet(0, now(b)...), "generation", "live")
		h.settled(h.facts("demo").active, b)
		h.mustSay(h.fleet(0, "status"), "generation "+h.facts("demo").active)
		t.Logf("%s: %s", c.name, time.Since(began).Round(time.Millisecond))
	}
}

// awaitTxn waits until a switch has its record.
func (h *host) awaitTxn() {
	h.t.Helper()
	h.Eventually("a switch under way", patience, func() error {
		if len(h.facts("demo").many["txn"]) == 0 {
			return errors.New("no record")
		}
		return nil
	})
}

// hangUp closes the terminal of a client, which gets SIGHUP.
func (h *host) hangUp(b build) {
	cmd := h.Command(context.WithoutCancel(h.t.Context()), append([]string{"fleet"}, now(b)...)...)
	terminal, err := pty.Start(cmd)
	if err != nil {
		h.t.Fatal(err)
	}
	h.awaitTxn()
	if err := terminal.Close(); err != nil {
		h.t.Fatal(err)
	}
	_ = cmd.Wait() // by the signal
}

// interrupt sends what Ctrl-C does.
func (h *host) interrupt(b build) {
	c := h.start(append([]string{"fleet"}, now(b)...)...)
	h.awaitTxn()
	h.signal(c, syscall.SIGINT)
	h.mustSay(h.exit(c, 1), "the switch goes on", "fleet status tells its result")
}

// killClient kills the client; the same command shows the switch again.
func (h *host) killClient(b build) {
	c := h.start(append([]string{"fleet"}, now(b)...)...)
	h.awaitTxn()
	h.signal(c, syscall.SIGKILL)
	<-c.done
	h.mustSay(h.fleet(0, now(b)...), "under way, this is its progress", "P12")
}

// signal reaches the program in the machine: nsenter, which starts it, has it as its child.
func (h *host) signal(c *client, s syscall.Signal) {
	h.t.Helper()
	pid := c.cmd.Process.Pid
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		h.t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil {
		err = syscall.Kill(child, s)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// closePipe lets nobody read what the client prints, so that it gets SIGPIPE.
func (h *host) closePipe(b build) {
	h.Sh("{ fleet switch --no-confirm --now " + b.dir + " 2>&1 || :; } | :")
}

// closeAll starts the client without standard input, output and error.
func (h *host) closeAll(b build) {
	h.Sh("fleet switch --no-confirm --now " + b.dir + " <&- >&- 2>&-")
	h.settled(h.facts("demo").active, b)
}
