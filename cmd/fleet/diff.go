package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"fleet/activate/plan"
	"fleet/activate/unitfile"
	"fleet/generate/store"
	"fleet/schemas/access"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

func newDiffCmd(a *app) *cobra.Command {
	var text bool
	cmd := &cobra.Command{
		Use:   "diff [A] [B]",
		Short: "Say what changes from one generation to another",
		Long: `Diff says what changes from generation A to B: access that widens or narrows first, then users, units and files. A
and B are folders (anything with a slash) or numbers below generations/. B defaults to generations/latest, A to what
this host runs, or to the build before B where it runs nothing. Exit status 4: they differ.`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error { return a.diff(args, text) },
	}
	cmd.Flags().BoolVar(&text, "text", false, "show the unified diffs of all files too")
	return cmd
}

// difference is the result of `fleet diff --json`.
type difference struct {
	From string `json:"from"` // ids
	To   string `json:"to"`
	access.Changes
	Users []string       `json:"users"`
	Units []plan.Step    `json:"units"`
	Jobs  []string       `json:"jobs"` // services of jobs that another definition runs the next time
	Files []store.Change `json:"files"`
}

func (a *app) diff(args []string, text bool) error {
	from, to, err := a.sides(args)
	if err != nil {
		return err
	}
	old, err := readSide(from)
	if err != nil {
		return err
	}
	next, err := readSide(to)
	if err != nil {
		return err
	}
	d := difference{From: string(old.ID), To: string(next.ID), Changes: access.Compare(old, next)}
	d.Users, d.Jobs = newUsers(old, next), changedJobs(old, next)
	if err := d.egress(from, to, old, next); err != nil {
		return err
	}
	if d.Files, err = store.Between(from, to); err != nil {
		return err
	}
	if d.Units, err = assumedSteps(next.Project, from, to); err != nil {
		return err
	}
	shown := d.text(a.color())
	if text {
		for _, f := range d.Files {
			shown += f.Diff
		}
	}
	if err := a.result(d, shown); err != nil {
		return err
	}
	if len(d.Files) > 0 {
		return withStatus(exitDiffers, nil)
	}
	return nil
}

// egress adds what agents may reach.
func (d *difference) egress(from, to string, old, next *manifest.Manifest) error {
	before, err := access.ReadPolicies(from, old)
	if err != nil {
		return err
	}
	after, err := access.ReadPolicies(to, next)
	if err != nil {
		return err
	}
	return d.Egress(before, after)
}

func readSide(dir string) (*manifest.Manifest, error) {
	m, err := manifest.Read(dir)
	if err != nil {
		return nil, withStatus(exitFailed, fmt.Errorf("%s: %w", dir, err))
	}
	return m, nil
}

// sides returns the two folders to compare.
func (a *app) sides(args []string) (from, to string, err error) {
	to = a.side("latest")
	if len(args) == 2 {
		to = a.side(args[1])
	}
	if len(args) > 0 {
		return a.side(args[0]), to, nil
	}
	if live := a.liveFolder(to); live != "" {
		return live, to, nil
	}
	numbers, err := store.Numbers(a.generations())
	if err != nil {
		return "", "", err
	}
	if len(numbers) < 2 {
		return "", "", withStatus(exitRefused, errors.New(
			"there is nothing to compare with: this host shows no live generation, and there is one build at most\n"+
				"  hint: name two generations, or run it with sudo where the host runs a fleet"))
	}
	return a.side(strconv.Itoa(numbers[len(numbers)-2])), to, nil
}

func (a *app) side(arg string) string {
	if strings.Contains(arg, "/") {
		return a.path(arg)
	}
	return filepath.Join(a.generations(), arg)
}

// liveFolder returns the folder of what this host runs of the same project, "" where it runs nothing or does not show it.
func (a *app) liveFolder(to string) string {
	m, err := manifest.Read(to)
	if err != nil {
		return ""
	}
	h := a.host(m.Project)
	n := h.active()
	if n == 0 {
		return ""
	}
	if _, err := h.Read(n); err != nil {
		a.log.Warnf("generation %d of this host cannot be read (%v); run it with sudo to compare with it", n, err)
		return ""
	}
	return h.Generation(n)
}

func newUsers(old, next *manifest.Manifest) []string {
	out := []string{}
	have := map[string]bool{}
	for _, u := range old.Users {
		have[u.Name] = true
	}
	for _, u := range next.Users {
		if !have[u.Name] {
			out = append(out, fmt.Sprintf("%s (uid %d)", u.Name, u.UID))
		}
	}
	return out
}

// changedJobs are the services of jobs that changed: nothing is done about one that does not run, so that no step tells.
func changedJobs(old, next *manifest.Manifest) []string {
	out := []string{}
	was := map[string]string{}
	for _, u := range old.Units {
		was[u.Name] = u.Digest
	}
	for _, u := range next.Units {
		before, known := was[u.Name]
		job := strings.HasPrefix(u.Name, "fleet-"+next.Project+"-"+u.Agent+"-job-") && strings.HasSuffix(u.Name, ".service")
		if job && known && before != u.Digest {
			out = append(out, u.Name)
		}
	}
	return out
}

// assumedSteps returns what a switch would do on a host on which everything of the old generation runs.
func assumedSteps(project, from, to string) ([]plan.Step, error) {
	old, err := unitfile.Load(os.DirFS(filepath.Join(from, "units")))
	if err != nil {
		return nil, err
	}
	next, err := unitfile.Load(os.DirFS(filepath.Join(to, "units")))
	if err != nil {
		return nil, err
	}
	target := "fleet-" + project + ".target"
	live := map[string]plan.Live{}
	for _, name := range old.Names() {
		live[name] = plan.Live{LoadState: "loaded", ActiveState: "inactive", SubState: "dead"}
	}
	for _, name := range plan.Reach(old, target) {
		live[name] = plan.Live{LoadState: "loaded", ActiveState: "active", SubState: "running", Ran: true}
	}
	p, err := plan.Make(plan.Input{
		Old: old, New: next, Live: live, Anchor: "fleet-" + project + "-anchor.service", Target: target,
	})
	if err != nil {
		return nil, err
	}
	return p.Units, nil
}

func (d difference) text(color bool) string {
	if len(d.Files) == 0 {
		return "no difference"
	}
	var b strings.Builder
	access := d.Changes.Text()
	if color {
		access = strings.ReplaceAll(access, "+ wider ", "\x1b[1;31m+ wider\x1b[0m ")
	}
	b.WriteString(access)
	for _, u := range d.Users {
		fmt.Fprintf(&b, "%-10s  %s\n", "user", u)
	}
	for _, s := range d.Units {
		fmt.Fprintf(&b, "%-10s  %s  %s\n", s.Action, report.Printable(s.Unit), report.Printable(s.Because))
	}
	for _, name := range d.Jobs {
		fmt.Fprintf(&b, "%-10s  %s  its next run is by the new definition\n", "job", report.Printable(name))
	}
	counts := map[string]int{}
	for _, f := range d.Files {
		counts[f.Kind]++
	}
	fmt.Fprintf(&b, "%-10s  %d added, %d removed, %d changed\n", "files", counts["added"], counts["removed"], counts["changed"])
	return b.String()
}
