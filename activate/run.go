package activate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"fleet/activate/detach"
	"fleet/activate/plan"
	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/activate/systemd"
	"fleet/activate/unitfile"
	"fleet/schemas/manifest"
	"fleet/schemas/state"
)

// Host is what a run works on.
type Host struct {
	Layout  profile.Layout
	Effects system.Effects
	Systemd *systemd.Manager
	Log     func(format string, args ...any) // a line of progress
	PID     int
	Unit    string // transient unit that the run is in, "" where there is none
	Tool    string // path of the running tool
}

// generation is one generation on the host.
type generation struct {
	number   int
	dir      string
	manifest *manifest.Manifest
	units    *unitfile.Set
}

// run is one switch in progress.
type run struct {
	host    Host
	profile *profile.Profile
	dir     detach.Dir
	req     detach.Request

	state *state.State
	from  *generation // what is live; nil on a first switch
	to    *generation
	fresh bool   // to was copied by this run
	store string // folder of the store that has to's files

	live        map[string]plan.Live
	invocations map[string]string // of the units of live

	plan  *plan.Plan
	txn   *state.Txn
	armed bool
	lost  []string // sockets and timers that a reload has ended

	arming sync.Mutex // while the dead man's time is moved

	began       time.Time
	launched    time.Duration        // of CLOCK_MONOTONIC, when P10 began to start units
	beatsBefore map[string]time.Time // heartbeats at that time, by agent
	took        []detach.Took
}

func newRun(h Host, d detach.Dir, req detach.Request) *run {
	return &run{host: h, profile: profile.New(h.Layout, h.Effects), dir: d, req: req, store: h.Layout.Store()}
}

// load reads generation n, which is on the host.
func (r *run) load(n int) (*generation, error) {
	m, err := r.profile.Read(n)
	if err != nil {
		return nil, fmt.Errorf("generation %d: %w", n, err)
	}
	g := &generation{number: n, dir: r.profile.Generation(n), manifest: m}
	g.units, err = unitfile.Load(os.DirFS(g.dir + "/units"))
	if err != nil {
		return nil, fmt.Errorf("generation %d: %w", n, err)
	}
	return g, nil
}

// oldUnits returns the units of what is live, nil on a first switch.
func (r *run) oldUnits() *unitfile.Set {
	if r.from == nil {
		return nil
	}
	return r.from.units
}

// fromNumber returns the number of what is live, 0 for nothing.
func (r *run) fromNumber() int {
	if r.from == nil {
		return 0
	}
	return r.from.number
}

// anchor and target name the two units that every generation has.
func (r *run) anchor() string { return "fleet-" + r.req.Project + "-anchor.service" }

func (r *run) target() string { return "fleet-" + r.req.Project + ".target" }

// stopped returns the agents that a person stopped with `fleet stop`.
func (r *run) stopped() map[string]bool {
	out := map[string]bool{}
	for _, a := range r.to.manifest.Agents {
		if _, err := os.Lstat(r.profile.Stopped(a.Key)); err == nil {
			out[a.Key] = true
		}
	}
	return out
}

// dropImport removes a generation that this run copied and that is not to be used.
func (r *run) dropImport() {
	if !r.fresh || r.to == nil {
		return
	}
	if err := r.profile.Drop(r.to.number); err != nil {
		r.host.Log("remove generation %d: %v", r.to.number, err)
	}
}

// liveText is what a person reads where nothing is to be done.
func (r *run) liveText() string {
	return fmt.Sprintf("generation %d (%s) is live already, nothing to do", r.to.number, r.to.manifest.ID.Short())
}

// waiting returns the agents that change at their next boundary.
func (r *run) waiting() []string {
	var out []string
	for _, e := range r.plan.Endings() {
		if e.Agent != "" && !slices.Contains(out, e.Agent) {
			out = append(out, e.Agent)
		}
	}
	return out
}

// remember appends what was done to the history.
func (r *run) remember(result, reason string) error {
	st, err := r.profile.LoadState()
	if err != nil {
		return err
	}
	st.Append(state.Event{
		Time: time.Now().UTC(), Action: r.req.Kind, From: r.fromNumber(), To: r.to.number, ID: r.to.manifest.ID,
		Result: result, Reason: firstLine(reason), Nonce: r.dir.Nonce(), Seconds: time.Since(r.began).Seconds(),
	})
	switch result {
	case state.ResultOK:
		st.Confirm(r.to.number)
	case state.ResultReverted:
		st.Fail(r.to.number, firstLine(reason))
	}
	return r.profile.SaveState(st)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// ask returns an error where the context ended or a person asked to go back.
func (r *run) ask(ctx context.Context) error {
	if r.dir.Aborted() {
		return errAborted
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(errAborted, err)
	}
	return nil
}
