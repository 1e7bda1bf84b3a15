package activate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"fleet/activate/lint"
	"fleet/activate/plan"
	"fleet/activate/preflight"
	"fleet/activate/profile"
	"fleet/activate/users"
	"fleet/activate/vault"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// preflight (P0) recovers an unfinished switch, then collects everything that is in the way.
func (r *run) preflight(ctx context.Context) error {
	if err := r.recover(ctx); err != nil {
		return err
	}
	return r.examine(ctx)
}

// examine collects everything that is in the way. It writes nothing.
func (r *run) examine(ctx context.Context) error {
	var all report.Report
	m, err := r.source()
	if err := collect(&all, err); err != nil {
		return err
	}
	if m == nil {
		return all.Err()
	}
	if r.state, err = r.profile.LoadState(); err != nil {
		return err
	}
	if active, err := r.profile.Active(); err != nil {
		return err
	} else if active != 0 {
		if r.from, err = r.load(active); err != nil {
			return err
		}
	}
	if why := r.state.FailedReason(m.ID); why != "" && !r.req.Force {
		all.ErrorHint("generation", fmt.Sprintf("%s failed on this host before: %s", m.ID.Short(), why),
			"mend its cause and build again, or take it all the same with --force")
	}
	version, err := r.host.Systemd.Version(ctx)
	if err != nil {
		return err
	}
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return err
	}
	others, err := r.profile.Others()
	if err != nil {
		return err
	}
	all.Merge("", preflight.Check(preflight.Question{
		Root: r.profile.Root, Manifest: m, Live: r.liveUnits(), Others: others,
		PID1: preflight.PID1(r.profile.Root), Systemd: version,
		EUID: os.Geteuid(), Program: uint64(self.Size()), //nolint:gosec // a size is not negative
	}))
	all.Merge("", users.Check(r.profile.Root, m))
	if err := collect(&all, r.standing(ctx, m)); err != nil {
		return err
	}
	return all.Err()
}

// standing refuses a generation in which the value of one of its secrets stands, before it is copied to where every user
// of the host can read it.
func (r *run) standing(ctx context.Context, m *manifest.Manifest) error {
	var names []string
	for _, s := range m.Secrets {
		names = append(names, s.Name)
	}
	dir := r.req.Source
	if dir == "" {
		dir = r.profile.Generation(r.req.Number)
	}
	return r.vault().Absent(ctx, names, dir)
}

// collect keeps a refusal's entries for later and returns any other error.
func collect(all *report.Report, err error) error {
	var refusal *report.Err
	if errors.As(err, &refusal) {
		all.Merge("", refusal.Report)
		return nil
	}
	return err
}

// source returns the manifest of what is asked for, proved whole.
func (r *run) source() (*manifest.Manifest, error) {
	if r.req.Source != "" {
		return r.profile.Inspect(r.build())
	}
	return r.profile.Verify(r.req.Number)
}

func (r *run) build() profile.Source {
	return profile.Source{Path: r.req.Source, Invoker: r.req.Invoker, Nonce: r.dir.Nonce()}
}

func (r *run) liveUnits() map[string]bool {
	out := map[string]bool{}
	if r.from == nil {
		return out
	}
	for _, u := range r.from.manifest.Units {
		out[u.Name] = true
	}
	return out
}

// importBuild (P1) copies the build to the host, or takes the generation that the host holds.
func (r *run) importBuild(ctx context.Context) error {
	n := r.req.Number
	if r.req.Source != "" {
		got, err := r.profile.Import(ctx, r.build())
		if err != nil {
			return err
		}
		n, r.fresh = got.Number, got.New
	} else if err := r.profile.Refill(n); err != nil {
		return err
	}
	to, err := r.load(n)
	r.to = to
	return err
}

// judge (P2) lets the real readers of the files judge the copy, and makes the plan.
func (r *run) judge(ctx context.Context) error {
	found, err := lint.Check(ctx, lint.Question{
		Layout: r.profile.Layout, Dir: r.to.dir, Manifest: r.to.manifest, Live: r.fromDir(), Store: r.store,
	})
	if err != nil {
		return err
	}
	found.Merge("", preflight.Secrets(ctx, r.vault(), r.to.units, r.to.manifest))
	if err := found.Err(); err != nil {
		return err
	}
	if err := r.makePlan(ctx); err != nil {
		return err
	}
	p, err := r.preview()
	if err != nil {
		return err
	}
	r.host.Log("%s", strings.TrimRight(p.Text(), "\n"))
	return nil
}

func (r *run) vault() *vault.Vault {
	return vault.New(r.profile, r.host.Effects, vault.Creds{FX: r.host.Effects})
}

func (r *run) fromDir() string {
	if r.from == nil {
		return ""
	}
	return r.from.dir
}

// makePlan looks at what runs and decides what is done to each unit.
func (r *run) makePlan(ctx context.Context) error {
	live, err := r.look(ctx)
	if err != nil {
		return err
	}
	r.live = live
	r.plan, err = plan.Make(plan.Input{
		Old: r.oldUnits(), New: r.to.units, Live: live, Anchor: r.anchor(), Target: r.target(),
		Stopped: r.stopped(), Now: r.req.Now,
	})
	return err
}

// nothingToDo reports whether the generation is live, boots, and runs as it says.
func (r *run) nothingToDo() bool {
	boot, err := r.profile.Boot()
	if err != nil || r.from == nil || r.from.number != r.to.number || boot != r.to.number {
		return false
	}
	for _, s := range r.plan.Units {
		if s.Touches() {
			return false
		}
	}
	return true
}
