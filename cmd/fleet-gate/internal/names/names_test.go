package names

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/schemas/policy"
)

func open(t *testing.T, path string) *Table {
	t.Helper()
	table, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	return table
}

func address(t *testing.T, table *Table, name, rule string) netip.Addr {
	t.Helper()
	a, err := table.Address(name, rule)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Names keep their addresses over a restart, also one in the middle of a write, and no address has two names.
func TestAddressesAreKept(t *testing.T) {
	path := t.TempDir() + "/names"
	table := open(t, path)
	a, b := address(t, table, "a.test", "rule one"), address(t, table, "b.test", "rule\ttwo")
	if a == b || !Range.Contains(a) || a.String() != "127.64.1.0" {
		t.Errorf("got %s and %s", a, b)
	}
	if address(t, table, "a.test", "rule one") != a {
		t.Error("another address for the same name")
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, "127.64.1.2\thalf")
	f.Close()
	table = open(t, path)
	if name, ok := table.Name(b); !ok || name != "b.test" || address(t, table, "a.test", "rule one") != a {
		t.Errorf("%s is %q after a restart", b, name)
	}
	if c := address(t, table, "c.test", "x"); c == a || c == b {
		t.Errorf("%s is given out twice", c)
	}
	open(t, path)
	if _, ok := table.Name(netip.MustParseAddr("127.64.0.1")); ok {
		t.Error("the interface's address has a name")
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"words":   "127.64.1.0 a.test\n",
		"outside": "127.0.0.1\ta.test\tr\n",
		"twice":   "127.64.1.0\ta.test\tr\n127.64.1.0\tb.test\tr\n",
	} {
		path := t.TempDir() + "/names"
		os.WriteFile(path, []byte(text), 0o600)
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// EGR-E8, EGR-J4: names below a wildcard are limited in number and rate; those that are known go on.
func TestE8Limits(t *testing.T) {
	path := t.TempDir() + "/names"
	table := open(t, path)
	clock := time.Now()
	table.now = func() time.Time { return clock }
	n := 0
	more := func(tries int) {
		for i := range tries {
			if _, err := table.Address(fmt.Sprintf("x%d-%d.test", n, i), "*.test"); err == nil {
				n++
			} else if !errors.Is(err, ErrTooMany) {
				t.Fatal(err)
			}
		}
	}
	more(500)
	if n != burst {
		t.Errorf("%d at once, want %d", n, burst)
	}
	clock = clock.Add(10 * pause)
	more(500)
	if n != burst+10 {
		t.Errorf("%d after a while, want %d", n, burst+10)
	}
	for range 20 {
		clock = clock.Add(burst * pause)
		more(burst)
	}
	if n != maxRule {
		t.Errorf("%d in all, want %d", n, maxRule)
	}
	address(t, table, "x0-0.test", "*.test")
	address(t, table, "other.test", "other")
	table = open(t, path)
	if _, err := table.Address("new.test", "*.test"); !errors.Is(err, ErrTooMany) {
		t.Errorf("after a restart: %v", err)
	}
}

// Listed names are not limited in rate, and find room when all others are taken.
func TestListedNames(t *testing.T) {
	table := open(t, t.TempDir()+"/names")
	for i := range 5 * burst {
		address(t, table, fmt.Sprintf("listed%d.test", i), "listed.test")
	}
	for i := len(table.byName); i < maxOpen; i++ { // what mode report lets an agent have
		address(t, table, fmt.Sprintf("any%d.test", i), "")
	}
	for _, by := range []string{"", "*.test"} {
		if _, err := table.Address("new.test", by); !errors.Is(err, ErrTooMany) {
			t.Errorf("%q: got %v", by, err)
		}
	}
	address(t, table, "new.test", "new.test")
	if a := address(t, table, policy.SelfName, ""); a != Self {
		t.Errorf("the gate has %s", a)
	}
	if name, ok := table.Name(Self); !ok || name != policy.SelfName {
		t.Errorf("%s is %q", Self, name)
	}
}

// EGR-H8: a disk that is full in the middle of a line spoils no other one.
func TestH8FullDisk(t *testing.T) {
	path := t.TempDir() + "/names"
	table := open(t, path)
	a := address(t, table, "a.test", "a.test")
	write := table.write
	table.write = func(b []byte) (int, error) {
		n, _ := write(b[:len(b)/2])
		return n, syscall.ENOSPC
	}
	if _, err := table.Address("b.test", "b.test"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
	table.write = write
	c := address(t, table, "c.test", "c.test")
	table = open(t, path)
	for name, want := range map[string]netip.Addr{"a.test": a, "c.test": c} {
		if got := address(t, table, name, name); got != want {
			t.Errorf("%s has %s, had %s", name, got, want)
		}
	}
}
