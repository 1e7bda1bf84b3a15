package terminal

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// pane is a relay between a terminal that stands for tmux's pane and the pseudo-terminal of an agent.
type pane struct {
	person *os.File // master of the pane: what the person types and sees
	agent  *os.File // the agent's side
	conn   *net.UnixConn
	done   chan error
}

func newPane(t *testing.T, readOnly bool) *pane {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	check(t, err)
	defer l.Close()
	p := &pane{done: make(chan error, 1)}
	person, tty, err := pty.Open()
	check(t, err)
	check(t, pty.Setsize(person, &pty.Winsize{Rows: 33, Cols: 77}))
	pair, err := Open(tty)
	check(t, err)
	p.person = person
	go func() { p.done <- Relay(socket, tty, tty) }()
	p.conn, err = give(l, pair.Master, os.Getuid(), readOnly)
	check(t, err)
	p.agent, err = os.OpenFile(pairName(pair), os.O_RDWR, 0)
	check(t, err)
	_, err = term.MakeRaw(int(p.agent.Fd()))
	check(t, err)
	t.Cleanup(func() { person.Close(); tty.Close(); pair.Close(); p.agent.Close() })
	return p
}

func pairName(p *Pair) string { return "/dev/pts/" + strconv.Itoa(p.Number) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRelayCopiesBothWays(t *testing.T) {
	p := newPane(t, false)
	p.agent.WriteString("from the agent\n")
	line, err := bufio.NewReader(p.person).ReadString('\n')
	if check(t, err); line != "from the agent\n" {
		t.Errorf("the person sees %q", line)
	}
	p.person.WriteString("from the person\x03\n")
	line, err = bufio.NewReader(p.agent).ReadString('\n')
	if check(t, err); line != "from the person\x03\n" {
		t.Errorf("the agent gets %q", line)
	}
	p.end(t)
}

func TestRelaySetsSize(t *testing.T) {
	p := newPane(t, false)
	p.agent.WriteString("x")
	p.person.Read(make([]byte, 1)) // the relay is up
	size, err := pty.GetsizeFull(p.agent)
	if check(t, err); size.Rows != 33 || size.Cols != 77 {
		t.Errorf("the agent's terminal is %d by %d, want 33 by 77", size.Rows, size.Cols)
	}
	p.end(t)
}

func TestRelayReadOnly(t *testing.T) {
	p := newPane(t, true)
	p.person.WriteString("dropped")
	p.agent.WriteString("x")
	p.person.Read(make([]byte, 1))
	ready := []unix.PollFd{{Fd: int32(p.agent.Fd()), Events: unix.POLLIN}}
	if n, err := unix.Poll(ready, 200); err != nil || n != 0 {
		t.Errorf("input reached the agent: %v, %v", ready, err)
	}
	p.end(t)
}

// systemd opens and closes the terminal before the program has it: that is no end.
func TestRelaySurvivesHangup(t *testing.T) {
	p := newPane(t, false)
	name := p.agent.Name()
	p.agent.Close()
	time.Sleep(3 * hangupPause)
	again, err := os.OpenFile(name, os.O_RDWR, 0)
	check(t, err)
	defer again.Close()
	again.WriteString("back")
	b := make([]byte, 4)
	if _, err := p.person.Read(b); err != nil || string(b) != "back" {
		t.Errorf("after the hang-up: %q, %v", b, err)
	}
	p.end(t)
}

func (p *pane) end(t *testing.T) {
	t.Helper()
	p.conn.Close()
	select {
	case err := <-p.done:
		check(t, err)
	case <-time.After(5 * time.Second):
		t.Error("the relay did not end with its connection")
	}
}

func TestGiveTurnsAwayOthers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	check(t, err)
	go func() {
		take(socket)
		l.Close()
	}()
	if c, err := give(l, os.Stdin, os.Getuid()+1, false); err == nil {
		c.Close()
		t.Error("another user got the terminal")
	}
}

func TestConfigurationQuotes(t *testing.T) {
	conf := configuration("a'b\"#{pane_title}\n\\\x1b%", false)
	if want := "set -gq status-left ' a?b??{pane_title}????   Ctrl-] leaves'\n"; !strings.Contains(conf, want) {
		t.Errorf("configuration has not %q:\n%s", want, conf)
	}
	if !strings.Contains(configuration("demo/lead", true), "read-only") {
		t.Error("read-only is not shown")
	}
}

func TestThisOperatorDropsStrangeTerm(t *testing.T) {
	o, err := ThisOperator(func(n string) string { return map[string]string{"TERM": "../../evil", "LANG": "C.UTF-8"}[n] })
	check(t, err)
	if o.Term != "xterm" || len(o.Locale) != 1 || o.UID != os.Getuid() {
		t.Errorf("got %+v", o)
	}
}
