package firewall

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// table is what the kernel holds of one table, without what changes by itself: counts, handles, elements that packets
// have added.
type table struct {
	flags  uint32
	chains map[string]chain
	sets   map[string]set
	objs   map[string]string // name to type
}

type chain struct {
	attributes string
	rules      []string // in order
}

type set struct {
	attributes string
	dynamic    bool
	elements   []string // sorted
}

// Flags of a table, from linux/netfilter/nf_tables.h.
const (
	flagDormant = 0x1
	flagOwner   = 0x2
)

// Attributes that x/sys does not name yet.
const (
	setElemObjref = 9
	setElemKeyEnd = 10
	setObjType    = 15
	setExpr       = 17
	setExprs      = 18
	chainFlags    = 10
)

// What counts of each kind of object; everything else is a name, a number of the kernel's or a state.
var (
	chainKeep = []uint16{unix.NFTA_CHAIN_HOOK, unix.NFTA_CHAIN_POLICY, unix.NFTA_CHAIN_TYPE, chainFlags}
	ruleKeep  = []uint16{unix.NFTA_RULE_EXPRESSIONS}
	setKeep   = []uint16{
		unix.NFTA_SET_FLAGS, unix.NFTA_SET_KEY_TYPE, unix.NFTA_SET_KEY_LEN, unix.NFTA_SET_DATA_TYPE, unix.NFTA_SET_DATA_LEN,
		unix.NFTA_SET_POLICY, unix.NFTA_SET_DESC, unix.NFTA_SET_TIMEOUT, setObjType, setExpr, setExprs,
	}
	elementKeep = []uint16{
		unix.NFTA_SET_ELEM_KEY, unix.NFTA_SET_ELEM_DATA, unix.NFTA_SET_ELEM_FLAGS, unix.NFTA_SET_ELEM_TIMEOUT,
		setElemObjref, setElemKeyEnd,
	}
)

// errAbsent says that the kernel has no such table.
var errAbsent = errors.New("is missing")

// readTries bounds how often a ruleset that changes while it is read is read anew.
const readTries = 20

// read returns a table of family inet of the calling thread's network namespace.
func read(name string) (table, error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return table{}, fmt.Errorf("ask the kernel for its rules: %w", err)
	}
	defer c.Close()
	r := reader{c, name}
	for range readTries {
		before, err := r.generation()
		if err != nil {
			return table{}, err
		}
		t, err := r.all()
		if after, genErr := r.generation(); genErr == nil && after == before {
			return t, err
		}
	}
	return table{}, fmt.Errorf("table inet %s changes all the time", name)
}

type reader struct {
	conn *netlink.Conn
	of   string // the table
}

// ask sends one request for objects of the table and returns the attributes of each message of the answer.
func (r reader) ask(kind uint16, flags netlink.HeaderFlags, with ...netlink.Attribute) ([][]netlink.Attribute, error) {
	data, err := netlink.MarshalAttributes(with)
	if err != nil {
		return nil, err
	}
	msgs, err := r.conn.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
			Flags: netlink.Request | flags,
		},
		Data: append([]byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}, data...),
	})
	if err != nil {
		return nil, err
	}
	var out [][]netlink.Attribute
	for _, m := range msgs {
		if len(m.Data) < 4 {
			continue
		}
		attrs, err := netlink.UnmarshalAttributes(m.Data[4:])
		if err != nil {
			return nil, err
		}
		out = append(out, attrs)
	}
	return out, nil
}

func text(kind uint16, s string) netlink.Attribute {
	return netlink.Attribute{Type: kind, Data: []byte(s + "\x00")}
}

// generation is the number of the last transaction.
func (r reader) generation() (string, error) {
	msgs, err := r.ask(unix.NFT_MSG_GETGEN, 0)
	if err != nil || len(msgs) == 0 {
		return "", errors.Join(errors.New("ask the kernel for the number of its last transaction"), err)
	}
	return string(value(msgs[0], unix.NFTA_GEN_ID)), nil
}

func (r reader) all() (table, error) {
	t := table{chains: map[string]chain{}, sets: map[string]set{}, objs: map[string]string{}}
	head, err := r.ask(unix.NFT_MSG_GETTABLE, 0, text(unix.NFTA_TABLE_NAME, r.of))
	if errors.Is(err, unix.ENOENT) {
		return t, fmt.Errorf("table inet %s %w", r.of, errAbsent)
	}
	if err != nil || len(head) != 1 {
		return t, fmt.Errorf("read table inet %s: %w", r.of, err)
	}
	if b := value(head[0], unix.NFTA_TABLE_FLAGS); len(b) == 4 {
		t.flags = binary.BigEndian.Uint32(b)
	}
	for _, step := range []func(*table) error{r.chains, r.rules, r.sets, r.objects} {
		if err := step(&t); err != nil {
			return t, fmt.Errorf("read table inet %s: %w", r.of, err)
		}
	}
	return t, nil
}

// dump asks for all objects of a kind in the table. Kernels before 4.19 send those of all tables.
func (r reader) dump(kind, tableAttr uint16, with ...netlink.Attribute) ([][]netlink.Attribute, error) {
	msgs, err := r.ask(kind, netlink.Dump, append([]netlink.Attribute{text(tableAttr, r.of)}, with...)...)
	return slices.DeleteFunc(msgs, func(m []netlink.Attribute) bool { return name(m, tableAttr) != r.of }), err
}

func (r reader) chains(t *table) error {
	msgs, err := r.dump(unix.NFT_MSG_GETCHAIN, unix.NFTA_CHAIN_TABLE)
	for _, m := range msgs {
		t.chains[name(m, unix.NFTA_CHAIN_NAME)] = chain{attributes: keep(m, chainKeep)}
	}
	return err
}

func (r reader) rules(t *table) error {
	msgs, err := r.dump(unix.NFT_MSG_GETRULE, unix.NFTA_RULE_TABLE)
	for _, m := range msgs {
		n := name(m, unix.NFTA_RULE_CHAIN)
		c := t.chains[n]
		c.rules = append(c.rules, keep(m, ruleKeep))
		t.chains[n] = c
	}
	return err
}

func (r reader) sets(t *table) error {
	msgs, err := r.dump(unix.NFT_MSG_GETSET, unix.NFTA_SET_TABLE)
	if err != nil {
		return err
	}
	for _, m := range msgs {
		s := set{attributes: keep(m, setKeep)}
		if b := value(m, unix.NFTA_SET_FLAGS); len(b) == 4 {
			s.dynamic = binary.BigEndian.Uint32(b)&unix.NFT_SET_EVAL != 0
		}
		n := name(m, unix.NFTA_SET_NAME)
		if !s.dynamic {
			if s.elements, err = r.elements(n); err != nil {
				return fmt.Errorf("set %s: %w", n, err)
			}
		}
		t.sets[n] = s
	}
	return nil
}

func (r reader) elements(set string) ([]string, error) {
	msgs, err := r.ask(unix.NFT_MSG_GETSETELEM, netlink.Dump,
		text(unix.NFTA_SET_ELEM_LIST_TABLE, r.of), text(unix.NFTA_SET_ELEM_LIST_SET, set))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, m := range msgs {
		list, err := netlink.UnmarshalAttributes(value(m, unix.NFTA_SET_ELEM_LIST_ELEMENTS))
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			attrs, err := netlink.UnmarshalAttributes(e.Data)
			if err != nil {
				return nil, err
			}
			out = append(out, keep(attrs, elementKeep))
		}
	}
	slices.Sort(out)
	return out, nil
}

func (r reader) objects(t *table) error {
	msgs, err := r.dump(unix.NFT_MSG_GETOBJ, unix.NFTA_OBJ_TABLE)
	for _, m := range msgs {
		t.objs[name(m, unix.NFTA_OBJ_NAME)] = hex.EncodeToString(value(m, unix.NFTA_OBJ_TYPE))
	}
	return err
}

// value returns the content of an attribute, nil where it is missing.
func value(attrs []netlink.Attribute, kind uint16) []byte {
	for _, a := range attrs {
		if a.Type&^(netlink.Nested|netlink.NetByteOrder) == kind {
			return a.Data
		}
	}
	return nil
}

func name(attrs []netlink.Attribute, kind uint16) string {
	return strings.TrimRight(string(value(attrs, kind)), "\x00")
}

// keep writes some of the attributes as one text that can be compared.
func keep(attrs []netlink.Attribute, kinds []uint16) string {
	var b strings.Builder
	for _, k := range kinds {
		if v := value(attrs, k); v != nil {
			fmt.Fprintf(&b, "%d=%x ", k, v)
		}
	}
	return b.String()
}

// tables returns the tables of the calling thread's network namespace as "FAMILY NAME".
func tables() (map[string]*nftables.Table, error) {
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for its tables: %w", err)
	}
	defer c.CloseLasting() //nolint:errcheck // nothing was written
	list, err := c.ListTables()
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for its tables: %w", err)
	}
	out := map[string]*nftables.Table{}
	for _, t := range list {
		family := fmt.Sprintf("family-%d", t.Family)
		if t.Family == nftables.TableFamilyINet {
			family = "inet"
		}
		out[family+" "+t.Name] = t
	}
	return out, nil
}
