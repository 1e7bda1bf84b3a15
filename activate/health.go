package activate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/activate/journal"
	"fleet/activate/plan"
	"fleet/activate/probe"
	"fleet/activate/safefile"
	"fleet/schemas/manifest"
)

// healthEvery is how often the health window looks.
const healthEvery = 250 * time.Millisecond

// watchHealth (P11) holds the window: what was started stays up and is not started again, each started agent beats,
// and containment holds. A lack of internet is no fault.
func (r *run) watchHealth(ctx context.Context) error {
	watched, err := r.watched(ctx)
	if err != nil {
		return err
	}
	window := time.Duration(r.to.manifest.Activation.Health) * time.Second
	end := time.Now().Add(window)
	again, err := r.probe(ctx)
	if err != nil {
		return err
	}
	if again { // who was stopped for its probe has only now begun
		end = time.Now().Add(window)
	}
	silent := r.started()
	for first := true; first || time.Now().Before(end); first = false {
		if err := r.ask(ctx); err != nil {
			return err
		}
		if err := r.stillUp(ctx, watched); err != nil {
			return err
		}
		silent = slices.DeleteFunc(silent, func(a manifest.Agent) bool { return r.beats(ctx, a) })
		time.Sleep(min(healthEvery, max(0, time.Until(end))))
	}
	if silent, err = r.mute(ctx, silent); err != nil {
		return err
	}
	if len(silent) > 0 {
		return fmt.Errorf("no heartbeat within %s of %s\n  hint: journalctl -u %s", window, agentKeys(silent), silent[0].Unit)
	}
	return r.stillUp(ctx, watched)
}

func agentKeys(agents []manifest.Agent) string {
	var keys []string
	for _, a := range agents {
		keys = append(keys, a.Key)
	}
	return strings.Join(keys, ", ")
}

// watch is a unit that must stay as it is.
type watch struct {
	unit     string
	restarts int // how many by systemd itself were looked into
}

// watched returns the services that this switch started and that run on. A service that ended well by itself, and one
// that its socket or its timer starts, are none of them.
func (r *run) watched(ctx context.Context) ([]watch, error) {
	var out []watch
	for _, job := range r.plan.Jobs() {
		if !strings.HasSuffix(job.Unit, ".service") {
			continue
		}
		u, err := r.host.Systemd.Unit(ctx, job.Unit)
		if err != nil {
			return nil, err
		}
		if u.ActiveState == "inactive" && u.Result == "success" {
			continue
		}
		out = append(out, watch{unit: job.Unit})
	}
	return out, nil
}

// stillUp reports the first watched unit that failed since it was started, be it that systemd has started it again. A
// service that exits 0 and is started again by Restart= is well.
func (r *run) stillUp(ctx context.Context, watched []watch) error {
	for i := range watched {
		w := &watched[i]
		u, err := r.host.Systemd.Unit(ctx, w.unit)
		if err != nil {
			return err
		}
		bad := u.ActiveState == "failed" || u.Result != "success" && u.Result != ""
		if !bad && u.NRestarts > w.restarts {
			w.restarts = u.NRestarts
			journal.Sync(ctx)
			if bad, err = journal.Failed(ctx, w.unit, r.launched); err != nil {
				return err
			}
		}
		if bad {
			return fmt.Errorf("%s does not stay up (%s, %s, %d restarts)%s", w.unit, u.ActiveState, u.Result, u.NRestarts,
				r.host.Systemd.LastLines(ctx, w.unit))
		}
	}
	return nil
}

// started returns the agents that this switch started.
func (r *run) started() []manifest.Agent {
	var out []manifest.Agent
	for _, a := range r.to.manifest.Agents {
		for _, s := range r.plan.Units {
			if s.Unit == a.Unit && (s.Action == plan.Start || s.Action == plan.Restart) {
				out = append(out, a)
			}
		}
	}
	return out
}

// probesAtOnce bounds the probes that run side by side: each is a short process.
const probesAtOnce = 4

// probe runs each started agent's containment probe, a unit with the agent's own sandbox. It tells whether an agent was
// stopped for that and started again.
func (r *run) probe(ctx context.Context) (again bool, err error) {
	var alone atomic.Bool
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(probesAtOnce)
	for _, a := range r.started() {
		g.Go(func() error {
			results, err := Probe(ctx, r.host, a)
			if err != nil && len(probe.Breaches(results)) == 0 {
				alone.Store(true)
				return r.probeAlone(ctx, a, err)
			}
			return err
		})
	}
	err = g.Wait()
	return alone.Load(), err
}

// Probe tries as an agent, in its sandbox, what an agent must not be able to do. The error says what was not refused, or
// why the probe did not come to its end.
func Probe(ctx context.Context, h Host, a manifest.Agent) ([]probe.Result, error) {
	unit := fmt.Sprintf("fleet-%s-%s-probe.service", h.Layout.Project, a.Key)
	output := filepath.Join(h.Layout.Run(), probeName, a.Key)
	if err := safefile.Remove(h.Effects, output); err != nil { // what an earlier one found says nothing
		return nil, err
	}
	res := h.Systemd.StartAndWait(ctx, h.Effects, unit, probeTime)
	results, err := probeResults(output)
	switch {
	case len(probe.Breaches(results)) > 0:
		return results, fmt.Errorf("containment of %s: %s", a.Key, probe.Summary(results))
	case err == nil && res.OK() && len(results) == 0:
		return nil, fmt.Errorf("containment of %s: the probe has tried nothing", a.Key)
	case err == nil && res.OK():
		return results, nil
	}
	return results, fmt.Errorf("containment of %s: %s", a.Key, h.Systemd.Explain(ctx, res))
}

// probeOutput bounds what a probe prints: systemd opens the file, in a folder of root's, and the sandboxed process only
// writes to it.
const probeOutput = 256 << 10

func probeResults(path string) ([]probe.Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []probe.Result
	for d := json.NewDecoder(io.LimitReader(f, probeOutput)); ; {
		var r probe.Result
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return out, fmt.Errorf("read what the probe printed: %w", err)
		}
		out = append(out, r)
	}
}

// probeTime bounds a probe; its attempts take milliseconds each where the walls hold.
const probeTime = 60 * time.Second

// probeName names the tool's copy that the probe units run, and the folder of what they print.
const probeName = "probe"

// placeProbe puts a copy of the tool where the probe units look for it, and makes the folder for what they print.
func (r *run) placeProbe() error {
	dir := filepath.Join(r.profile.Run(), probeName)
	err := r.host.Effects.Do("make the probes' folder", func() error {
		if err := os.Mkdir(dir, 0o700); !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	return copyTool(r.host.Effects, r.host.Tool, filepath.Join(r.profile.State(), probeName), probeMode)
}

// probeMode lets the probe be run and not read: then the kernel shows its memory to nobody else of its user (ptrace(2)),
// and an agent cannot make it lie.
const probeMode = 0o111
