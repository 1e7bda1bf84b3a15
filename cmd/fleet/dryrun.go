package main

import (
	"context"

	"fleet/activate"
	"fleet/activate/detach"
	"fleet/activate/system"
	"fleet/activate/systemd"
	"fleet/schemas/access"
)

// preview is `fleet switch --dry-run --json` and the host's side of `fleet diff --json`.
type preview struct {
	From      string          `json:"from,omitempty"` // ids
	To        string          `json:"to"`
	Widening  []access.Change `json:"widening"`
	Narrowing []access.Change `json:"narrowing"`
	Units     any             `json:"units"`
	Drift     any             `json:"drift"`
}

func (a *app) dryRun(ctx context.Context, h hostView, req detach.Request) error {
	sd, err := systemd.Connect(ctx)
	if err != nil {
		return withStatus(exitRefused, err)
	}
	defer sd.Close()
	p, err := activate.DryRun(ctx, activate.Host{
		Layout: h.Layout, Effects: system.Default(), Systemd: sd, Log: a.log.Debugf,
	}, req)
	if err != nil {
		return withStatus(exitRefused, err)
	}
	out := preview{To: string(p.To.ID), Units: p.Plan.Units, Drift: p.Plan.Drift}
	if p.From != nil {
		out.From = string(p.From.ID)
	}
	change, err := p.Access()
	if err != nil {
		return err
	}
	out.Widening, out.Narrowing = change.Widening, change.Narrowing
	if err := a.result(out, p.Text()); err != nil {
		return err
	}
	if p.Pending() {
		return withStatus(exitDiffers, nil)
	}
	return nil
}
