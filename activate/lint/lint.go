// Package lint lets the real readers of a generation's files judge them, on the host that is to run them and before
// anything of them is live: systemd's own parser, nft, visudo and sudo. What those let pass is checked besides: users
// and numbers that the host has given otherwise, and paths and users that units name.
//
// It changes nothing but temporary files and namespaces of its own.
package lint

import (
	"context"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"fleet/activate/firewall"
	"fleet/activate/profile"
	"fleet/activate/users"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// Question is what is judged: a generation that is proved whole and stands on the host with its files in the store.
type Question struct {
	Layout   profile.Layout
	Dir      string             // folder of the generation
	Manifest *manifest.Manifest // of it
	Store    string             // folder that has its files by their names in the store
	Live     string             // folder of the generation that is live, "" if none is
}

// judges are asked side by side: each waits for another program.
var judges = []func(context.Context, Question) (report.Report, error){units, names, rules, accounts, sudo}

// Check returns all that is wrong. The error says that a judge could not be asked.
func Check(ctx context.Context, q Question) (report.Report, error) {
	found := make([]report.Report, len(judges))
	g, ctx := errgroup.WithContext(ctx)
	for i, judge := range judges {
		g.Go(func() (err error) {
			found[i], err = judge(ctx, q)
			return err
		})
	}
	var all report.Report
	if err := g.Wait(); err != nil {
		return all, err
	}
	for _, f := range found {
		all.Merge("", f)
	}
	all.Sort()
	return all, nil
}

// rules asks nft, in a network namespace where nothing can be harmed.
func rules(ctx context.Context, q Question) (report.Report, error) {
	var r report.Report
	name := "nftables/" + q.Manifest.Project + ".nft"
	if err := firewall.Check(ctx, q.Manifest.Project, filepath.Join(q.Dir, name)); err != nil {
		r.Errorf(name, "%v", err)
	}
	return r, ctx.Err()
}

// accounts asks whether the host's users are those of the manifest: systemd-sysusers would take another number for a
// taken one, and say so nowhere.
func accounts(ctx context.Context, q Question) (report.Report, error) {
	r := users.Check(q.Layout.Root, q.Manifest)
	r.Merge("", groups(q.Layout.Root, q.Manifest))
	further, err := nameService(ctx, q)
	r.Merge("", further)
	return r, err
}
