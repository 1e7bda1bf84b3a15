//go:build bench

// Command bench measures the chat against the embedded database that it stands on, and against itself with few messages, as
// ratios of one run. It is not installed:
//
//	go run -tags bench ./cmd/fleet-chat/internal/bench [-dir DIR] [-pairs N] [-messages N] [NAME...]
//
// DIR must be on a disk: what is measured is durable. Exit status 1: an interval does not reach its bound, or a claim was
// wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"fleet/cmd/internal/ratio"
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
	least bool // the bound is the least that the ratio may be, else the greatest
}

func (r row) reached() bool {
	if r.least {
		return r.ratio.AtLeast(r.bound)
	}
	return r.ratio.Within(r.bound)
}

func (r row) String() string {
	bound := fmt.Sprintf("%g", r.bound)
	if r.least {
		bound += " or more"
	}
	return fmt.Sprintf("| %s | %s | %s |", r.what, r.ratio, bound)
}

var measures = []measure{
	{"posts", posts},
	{"reads", reads},
	{"memory", memory},
	{"claims", claims},
}

// lab is where measures find what they need.
type lab struct {
	daemon   string // the program under test
	dir      string // on a disk
	pairs    int
	messages int // of a chat that has many
	notes    []string

	small, large *filled // made when they are first needed
}

func main() {
	dir := flag.String("dir", "/var/tmp", "`folder` on a disk")
	pairs := flag.Int("pairs", ratio.Pairs, "how often each way is `run`")
	messages := flag.Int("messages", 1_000_000, "`how` many a chat has that has many")
	flag.Parse()
	if *pairs < 1 || *messages < few {
		exit(fmt.Errorf("usage: bench [-pairs N] [-messages N], N at least 1 and %d", few))
	}
	exit(all(context.Background(), &lab{dir: *dir, pairs: *pairs, messages: *messages}, flag.Args()))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func all(ctx context.Context, l *lab, names []string) error {
	if err := l.open(); err != nil {
		return err
	}
	defer os.RemoveAll(l.dir)
	fmt.Println("| measure | ratio (95 % interval) | wanted |\n|---|---|---|")
	var missed []string
	for _, m := range measures {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		rows, err := m.run(ctx, l)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		for _, r := range rows {
			fmt.Println(r)
			if !r.reached() {
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

// note keeps a line for below the table.
func (l *lab) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

// onDisk refuses a file system in memory, on which nothing is durable and nothing waits.
func onDisk(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC {
		return errors.New(dir + " is in memory: name a folder on a disk with -dir")
	}
	return nil
}
