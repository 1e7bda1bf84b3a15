// Package lint lets the real readers of a generation's files judge them, on the host that is to run them and before
// anything of them is live: systemd's own parser, nft, visudo and sudo. What those let pass is checked besides: users
// and numbers that the host has given otherwise, and paths and users that units name.
//
// It changes nothing but temporary files and namespaces of its own.
package lint

import (
	"context"
	"path/filepath"

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
	Store    string             // folder that has its files by their names in the store; the host's store where empty
	Live     string             // folder of the generation that is live, "" if none is
}

// Check returns all that is wrong. The error says that a judge could not be asked.
func Check(ctx context.Context, q Question) (report.Report, error) {
	var all report.Report
	if q.Store == "" {
		q.Store = manifest.StoreDir
	}
	for _, judge := range []func(context.Context, Question) (report.Report, error){units, names, rules, accounts, sudo} {
		found, err := judge(ctx, q)
		if err != nil {
			return all, err
		}
		all.Merge("", found)
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
