// Package names gives each host that an agent may reach a loopback address of its own, by which the gate knows the host
// again when the agent connects to it. An address is never given to another name, also not after a restart: SSH would
// reach another host than it asked for.
package names

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"fleet/schemas/audit"
	"fleet/schemas/policy"
)

// Range is where the addresses lie. The first ones are for the agent's interface.
var Range = netip.MustParsePrefix("127.64.0.0/10")

const (
	// first is the offset of the first address that is given out.
	first = 256

	// Names that nobody has listed one by one can carry data out, one a name. A wildcard has at most maxRule of them:
	// with policy.MaxChild characters each of 38, that is 41 kB for as long as the namespace lives.
	maxRule = 1000

	// maxAll bounds the names of an agent, maxOpen those that are not listed one by one: the others find room always.
	maxAll  = 1 << 16
	maxOpen = maxAll - policy.MaxRules

	// A wildcard may have burst new names at once, and then one every pause.
	burst = 100
	pause = time.Second
)

// Self is the address of policy.SelfName, in no table.
var Self = at(2)

// ErrTooMany tells that a wildcard, or the agent, has as many names as it may, or has new ones too fast.
var ErrTooMany = errors.New("too many new names")

// Table holds names and addresses. Each line of its file is an address, a name and a rule's host, with tabs between.
type Table struct {
	mu     sync.Mutex
	file   *os.File
	write  func([]byte) (int, error) // to the file
	size   int64                     // of the file
	byName map[string]netip.Addr
	byAddr map[netip.Addr]string
	rules  map[string]*rule
	next   netip.Addr
	now    func() time.Time
}

type rule struct {
	names int
	free  time.Time // when all of the burst is there again
}

// Open reads the table at path or makes an empty one. A last line that was not written to its end is taken away.
func Open(path string) (*Table, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	t := &Table{
		file: f, byName: map[string]netip.Addr{}, byAddr: map[netip.Addr]string{}, rules: map[string]*rule{},
		next: at(first), now: time.Now, write: f.Write,
	}
	if err := t.load(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w; stop the agent, remove the file, and start the agent again", path, err)
	}
	return t, nil
}

func at(offset uint32) netip.Addr {
	b := Range.Addr().As4()
	return netip.AddrFrom4([4]byte{b[0], b[1] + byte(offset>>16), byte(offset >> 8), byte(offset)})
}

func (t *Table) load() error {
	r := bufio.NewReader(t.file)
	var whole int64
	for n := 1; ; n++ {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			t.size = whole
			return t.file.Truncate(whole)
		}
		if err != nil {
			return err
		}
		whole += int64(len(line))
		if err := t.parse(strings.TrimSuffix(line, "\n")); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}

func (t *Table) parse(line string) error {
	parts := strings.Split(line, "\t")
	if len(parts) != 3 {
		return errors.New("must be an address, a name and a rule")
	}
	a, err := netip.ParseAddr(parts[0])
	if err != nil || !Range.Contains(a) {
		return fmt.Errorf("address must lie in %s", Range)
	}
	if t.byAddr[a] != "" || t.byName[parts[1]].IsValid() {
		return errors.New("address or name is there twice")
	}
	t.set(a, parts[1], parts[2])
	return nil
}

func (t *Table) set(a netip.Addr, name, by string) {
	t.byName[name], t.byAddr[a] = a, name
	t.rule(by).names++
	if !a.Less(t.next) {
		t.next = a.Next()
	}
}

func (t *Table) rule(name string) *rule {
	r := t.rules[name]
	if r == nil {
		r = new(rule)
		t.rules[name] = r
	}
	return r
}

// Address returns the address of a name in canonical form, and gives it one if it has none. It is allowed by the rule
// with this pattern as its host, "" where by no rule. The error is ErrTooMany, or that of the file.
func (t *Table) Address(name, by string) (netip.Addr, error) {
	if name == policy.SelfName {
		return Self, nil
	}
	by = audit.Text(by)
	t.mu.Lock()
	defer t.mu.Unlock()
	if a, ok := t.byName[name]; ok {
		return a, nil
	}
	if !t.room(by) {
		return netip.Addr{}, ErrTooMany
	}
	a := t.next
	if err := t.append(fmt.Appendf(nil, "%s\t%s\t%s\n", a, name, by)); err != nil {
		return netip.Addr{}, err
	}
	t.set(a, name, by)
	return a, nil
}

// append writes a line, or nothing: half a line on a full disk would spoil the next one.
func (t *Table) append(line []byte) error {
	n, err := t.write(line)
	if err != nil {
		if n > 0 {
			err = errors.Join(err, t.file.Truncate(t.size))
		}
		return err
	}
	t.size += int64(n)
	return nil
}

// room tells whether there may be another name.
func (t *Table) room(by string) bool {
	switch wildcard := strings.HasPrefix(by, "*."); {
	case by != "" && !wildcard:
		return len(t.byName) < maxAll
	case len(t.byName) >= maxOpen:
		return false
	case wildcard:
		r := t.rule(by)
		return r.names < maxRule && r.take(t.now())
	}
	return true
}

// take takes one of the burst, each of which comes back after a pause.
func (r *rule) take(now time.Time) bool {
	if r.free.Before(now) {
		r.free = now
	}
	if r.free.Sub(now) > (burst-1)*pause {
		return false
	}
	r.free = r.free.Add(pause)
	return true
}

// Name returns the name that has an address.
func (t *Table) Name(a netip.Addr) (string, bool) {
	if a == Self {
		return policy.SelfName, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	name, ok := t.byAddr[a]
	return name, ok
}

// Close closes the file.
func (t *Table) Close() error { return t.file.Close() }
