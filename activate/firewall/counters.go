package firewall

import (
	"fmt"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Count is what a counter has counted since the rules were first loaded.
type Count struct{ Packets, Bytes uint64 }

// agentPrefix begins the names of the agents' counters; the rest is the key with dashes as underscores.
const agentPrefix = "agent_"

// Counters returns what was rejected: of each agent under its key, and beside them "retired" (numbers of the reserved
// range that no agent has), "unnamed" (sockets of the project's slice without such a number), "gates" (of all gates),
// "foreign" (of others to gates of isolation user) and "inbound" (packets from outside for sockets of the slice). A
// packet is counted in one of the two tables. Without tables the result is empty.
func Counters(project string, keys []string) (map[string]Count, error) {
	byName := map[string]string{}
	for _, k := range keys {
		byName[agentPrefix+strings.ReplaceAll(k, "-", "_")] = k
	}
	have, err := tables()
	if err != nil {
		return nil, err
	}
	c, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for its counters: %w", err)
	}
	defer c.CloseLasting() //nolint:errcheck // nothing was written
	out := map[string]Count{}
	for _, name := range []string{plainTable(project), heldTable(project)} {
		t, ok := have["inet "+name]
		if !ok {
			continue
		}
		objs, err := c.GetNamedObjects(t)
		if err != nil {
			return nil, fmt.Errorf("read the counters of table inet %s: %w", name, err)
		}
		for _, o := range objs {
			add(out, o, byName)
		}
	}
	return out, nil
}

func add(to map[string]Count, o nftables.Obj, byName map[string]string) {
	n, ok := o.(*nftables.NamedObj)
	if !ok {
		return
	}
	counter, ok := n.Obj.(*expr.Counter)
	if !ok {
		return
	}
	key, ok := byName[n.Name]
	if !ok {
		if strings.HasPrefix(n.Name, agentPrefix) {
			return // of an agent that was not asked for
		}
		key = n.Name
	}
	sum := to[key]
	sum.Packets += counter.Packets
	sum.Bytes += counter.Bytes
	to[key] = sum
}
