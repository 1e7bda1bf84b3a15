package survey

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"fleet/activate/agents"
	"fleet/activate/gates"
	"fleet/activate/plaintext"
	"fleet/activate/systemd"
	"fleet/schemas/access"
	"fleet/schemas/egress"
	"fleet/schemas/manifest"
	"fleet/schemas/status"
)

// gateFacts are what the state of a gate is told from.
type gateFacts struct {
	socket, service systemd.Unit
	cut             bool
	why             string // the text of the cut
	bypass          *egress.Bypass
	told            gates.Told
	err             error  // why a gate that runs tells nothing
	policy          string // SHA-256 of the generation's
	journal         string // the unit of the journal for its records
}

// judgeGate tells the state of a gate, and what makes its agent unhealthy, "" for nothing.
func judgeGate(f gateFacts) (g status.Gate, fault string) {
	s := f.told.Status
	if s != nil {
		g.Mode, g.Open, g.Error = s.Mode, s.Open, s.Error
		g.Stale = f.policy != "" && s.Policy != f.policy
	}
	bypass := f.bypass
	if s != nil {
		bypass = s.Bypass
	}
	switch {
	case f.socket.ActiveState != "active":
		g.State, fault = status.GateFailed, "its gate's sockets are "+f.socket.ActiveState+": sudo systemctl start "+f.socket.Name
		g.Reason = f.socket.Result
	case f.service.ActiveState == "failed":
		g.State, fault = status.GateFailed, "its gate has failed ("+f.service.Result+"); journalctl -u "+f.service.Name+" tells why"
		g.Reason = f.service.Result
	case f.cut:
		g.State, g.Reason, fault = status.GateCut, f.why, "it is cut off "+f.why+"; fleet egress restore lets it go on"
	case f.err != nil:
		g.State, fault = status.GateFailed, "its gate does not answer"
		g.Reason = plaintext.Short(f.err.Error(), 200)
	case s != nil && s.Mute:
		g.State, fault = status.GateFailed, "its gate allows nothing new, since the journal takes none of its records: see "+f.journal
		g.Reason = "mute"
	case bypass != nil:
		g.State, g.Seconds, g.Reason = status.GateBypass, bypass.Seconds, "by "+bypass.By+": "+bypass.Reason
	case s != nil:
		g.State = status.GateActive
	default:
		g.State = status.GateIdle
	}
	if fault == "" && g.Stale {
		fault = "its gate has another policy than the generation: sudo systemctl reload " + f.service.Name
	}
	return g, fault
}

// way is what is told of the way out of one agent or sidecar.
type way struct {
	gate   *status.Gate
	egress *status.Egress
	fault  string
}

// to adds it to the status of the agent.
func (w way) to(a *status.Agent) {
	a.Gate, a.Egress = w.gate, w.egress
	if w.fault == "" {
		return
	}
	a.Healthy = false
	if a.Reason != "" {
		a.Reason += "; "
	}
	a.Reason += w.fault
}

// ways looks at all gates at once: one that hangs holds up no other.
func ways(ctx context.Context, c agents.Control, loaded map[string]systemd.Unit) map[string]way {
	var mu sync.Mutex
	var all sync.WaitGroup
	out := map[string]way{}
	for _, key := range c.Manifest.Gated() {
		if gates.UID(c.Manifest, key) == 0 {
			continue
		}
		all.Go(func() {
			w := lookAtGate(ctx, c, key, loaded)
			mu.Lock()
			defer mu.Unlock()
			out[key] = w
		})
	}
	all.Wait()
	return out
}

func lookAtGate(ctx context.Context, c agents.Control, key string, loaded map[string]systemd.Unit) way {
	f := gateFacts{
		socket: loaded[gates.Socket(c.Project, key)], service: loaded[gates.Service(c.Project, key)],
		policy: hashOf(c.Manifest, access.PolicyPath(key)), journal: gates.Journal(c.Project),
	}
	f.cut, f.why = isCut(c.Profile.Cut(key))
	f.bypass = gates.Bypassed(c.Fleet, key)
	f.told, f.err = gates.Ask(ctx, c.Fleet, key, f.service.ActiveState == "active" || f.service.ActiveState == "reloading")
	g, fault := judgeGate(f)
	t := f.told.Day(time.Now())
	would := t.Reported + t.Bypassed
	return way{&g, &status.Egress{Allowed: t.Allowed + would, Denied: t.Denied, Would: would}, fault}
}

// isCut reads the mark of an agent that is cut off, which is root's.
func isCut(path string) (cut bool, why string) {
	if !exists(path) {
		return false, ""
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return true, ""
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return true, plaintext.Short(line, 200)
}

func hashOf(m *manifest.Manifest, path string) string {
	for _, f := range m.Files {
		if f.Path == path {
			return f.SHA256
		}
	}
	return ""
}
