package activate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"fleet/activate/detach"
	"fleet/activate/plan"
	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/schemas/access"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// Preview is what a switch would do.
type Preview struct {
	From *manifest.Manifest // nil on a first switch
	To   *manifest.Manifest
	Plan *plan.Plan

	reach [2]access.Policies // of both
}

// Access tells what the new generation gives to whom and takes.
func (p *Preview) Access() (access.Changes, error) {
	c := access.Compare(p.From, p.To)
	return c, c.Egress(p.reach[0], p.reach[1])
}

// Text is what people read of a switch before it is done, and in its progress.
func (p *Preview) Text() string {
	c, err := p.Access()
	if err != nil {
		return p.Plan.String() + fmt.Sprintf("what agents may reach cannot be compared: %s\n", report.Printable(err.Error()))
	}
	return p.Plan.String() + c.Text()
}

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
	return r.preview()
}

func (r *run) preview() (*Preview, error) {
	out := &Preview{To: r.to.manifest, Plan: r.plan}
	if r.from != nil {
		out.From = r.from.manifest
		before, err := access.ReadPolicies(r.from.dir, out.From)
		if err != nil {
			r.host.Log("what agents may reach now cannot be read, all counts as new: %s", report.Printable(err.Error()))
		}
		out.reach[0] = before
	}
	after, err := access.ReadPolicies(r.to.dir, out.To)
	out.reach[1] = after
	return out, err
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
