package activate

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"fleet/activate/detach"
	"fleet/activate/plan"
	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/schemas/access"
	"fleet/schemas/manifest"
)

// Preview is what a switch would do.
type Preview struct {
	From *manifest.Manifest // nil on a first switch
	To   *manifest.Manifest
	Plan *plan.Plan
}

// Access tells what the new generation gives to whom and takes.
func (p *Preview) Access() access.Changes { return access.Compare(p.From, p.To) }

// Text is what people read of a switch before it is done, and in its progress.
func (p *Preview) Text() string { return p.Plan.String() + p.Access().Text() }

// Pending reports whether the switch would change anything.
func (p *Preview) Pending() bool {
	if p.From == nil || p.From.ID != p.To.ID {
		return true
	}
	for _, s := range p.Plan.Units {
		if s.Touches() {
			return true
		}
	}
	return false
}

// dryNonce stands in for the name of a switch, which is a number in hex.
const dryNonce = "0000000000000000"

// DryRun takes a request through all checks and returns the plan. The host is left as it was: the copy that the real
// readers judge lies in a folder of its own, which is gone afterwards.
func DryRun(ctx context.Context, h Host, req detach.Request) (_ *Preview, err error) {
	scratch, release, err := newScratch("/var/lib")
	if err != nil {
		return nil, err
	}
	defer release()
	copied := profile.New(profile.Layout{Project: h.Layout.Project, Root: scratch}, system.Real{})
	defer func() { err = errors.Join(err, removeScratch(scratch, copied)) }()

	r := newRun(h, detach.Dir(filepath.Join(scratch, dryNonce)), req)
	if err := r.examine(ctx); err != nil {
		return nil, err
	}
	if err := r.copyTo(ctx, copied); err != nil {
		return nil, err
	}
	if err := r.judge(ctx); err != nil {
		return nil, err
	}
	return r.preview(), nil
}

func (r *run) preview() *Preview {
	out := &Preview{To: r.to.manifest, Plan: r.plan}
	if r.from != nil {
		out.From = r.from.manifest
	}
	return out
}

// copyTo takes the generation of the host, or a copy of the build in another root.
func (r *run) copyTo(ctx context.Context, copied *profile.Profile) error {
	if r.req.Source == "" {
		to, err := r.load(r.req.Number)
		r.to = to
		return err
	}
	if err := os.MkdirAll(copied.Root+"/run", 0o755); err != nil {
		return err
	}
	for _, dir := range []string{"/etc", "/var/lib"} {
		if err := os.MkdirAll(copied.Root+dir, 0o755); err != nil {
			return err
		}
	}
	got, err := copied.Import(ctx, r.build())
	if err != nil {
		return err
	}
	own := r.profile
	r.profile, r.store = copied, copied.Store()
	r.to, err = r.load(got.Number)
	r.profile = own
	return err
}
