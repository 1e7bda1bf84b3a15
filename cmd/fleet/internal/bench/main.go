//go:build bench

// Command bench measures fleet against what it stands on, as ratios of one run. It is not installed:
//
//	go run -tags bench ./cmd/fleet/internal/bench [NAME...]
//
// The measures of a host need root and systemd-nspawn. Exit status 1: an interval does not reach its bound.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"fleet/cmd/internal/ratio"
	"fleet/generate"
)

// measure is one comparison. It returns its rows.
type measure struct {
	name string
	run  func(context.Context, *lab) ([]row, error)
}

// row is one line of the table.
type row struct {
	what  string
	ratio ratio.Ratio
	bound float64
}

var measures = []measure{
	{"build", build},
	{"growth", growth},
	{"live", switchToLive},
	{"rollback", rollback},
	{"reload", daemonReload},
}

// lab is where measures find what they need.
type lab struct {
	fleet string // the program under test
	dir   string // on tmpfs
	notes []string
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "evaluate" {
		exit(evaluate(os.Args[2]))
	}
	exit(all(context.Background(), os.Args[1:]))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func all(ctx context.Context, names []string) error {
	l, err := newLab()
	if err != nil {
		return err
	}
	defer os.RemoveAll(l.dir)
	fmt.Println("| measure | ratio (95 % interval) | bound |\n|---|---|---|")
	missed := []string{}
	for _, m := range measures {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		rows, err := m.run(ctx, l)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, r := range rows {
			fmt.Printf("| %s | %s | %.1f |\n", r.what, r.ratio, r.bound)
			if !r.ratio.Within(r.bound) {
				missed = append(missed, r.what)
			}
		}
	}
	for _, n := range l.notes {
		fmt.Println(n)
	}
	if len(missed) > 0 {
		return fmt.Errorf("not within the bound: %s", strings.Join(missed, "; "))
	}
	return nil
}

// newLab builds the programs under test on a file system in memory.
func newLab() (*lab, error) {
	dir, err := os.MkdirTemp("/dev/shm", "fleet-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, fleet: filepath.Join(dir, "fleet")}
	args := []string{"build", "-o", l.dir + "/", "./cmd/fleet"}
	for _, name := range generate.Daemons {
		args = append(args, "./cmd/"+name)
	}
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return l, nil
}

// note keeps a line for below the table.
func (l *lab) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}
