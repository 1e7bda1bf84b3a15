package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"fleet/activate/gates"
	"fleet/activate/safefile"
	"fleet/activate/system"
)

func newMetricsCmd(a *app) *cobra.Command {
	var textfile string
	cmd := &cobra.Command{
		Use:   "metrics [KEY...]",
		Short: "Print the metrics of gates and agents for Prometheus",
		Long: `Metrics prints the metrics of the running gates of all enabled agents and sidecars or of those named, what gates kept
of before, the packets that the firewall refused, and how the agents fare, in the text format of Prometheus. With --textfile it writes them where
node_exporter's textfile collector reads them: run it by a timer.`,
		Example:           `  sudo fleet metrics --textfile /var/lib/prometheus/node-exporter`,
		ValidArgsFunction: a.completeGates(0),
		RunE:              func(cmd *cobra.Command, keys []string) error { return a.metrics(cmd.Context(), keys, textfile) },
	}
	cmd.Flags().StringVar(&textfile, "textfile", "", "write fleet-PROJECT.prom in this `FOLDER` instead")
	return cmd
}

func (a *app) metrics(ctx context.Context, keys []string, folder string) error {
	c, done, err := a.control(ctx, "metrics")
	if err != nil {
		return err
	}
	defer done()
	c.Log = a.log.Warnf
	picked, err := pickGates(c.Fleet, keys)
	if err != nil {
		return err
	}
	if folder != "" {
		if st, err := os.Stat(a.path(folder)); err != nil || !st.IsDir() {
			return usage(fmt.Errorf("--textfile must name a folder that there is, %s is none", folder))
		}
	}
	all, err := gates.Metrics(ctx, c, picked)
	if err != nil {
		return err
	}
	if folder != "" {
		return safefile.Write(system.Default(), filepath.Join(a.path(folder), "fleet-"+c.Project+".prom"), all.Text(), 0o644)
	}
	_, err = a.out.Write(all.Text())
	return err
}
