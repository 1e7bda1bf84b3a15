package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"fleet/activate/boottime"
	"fleet/activate/safefile"
	"fleet/schemas/egress"
	"fleet/schemas/policy"
)

// lookTime bounds one gate's answer: the watchdog asks all of them.
const lookTime = 2 * time.Second

func lookAround(args []string, stderr io.Writer) int { return runLook(args, os.Stdout, stderr) }

// runLook tells the watchdog, which is root, of the gates of agents, a line for each, in the words
//
//	KEY STATE ALLOWED DENIED WOULD TOTAL OPEN MODE POLICY BYPASS MISPLACED LATELY
//
// STATE is active, mute, idle or silent; ALLOWED, DENIED and WOULD are of 24 hours, TOTAL are all denials; POLICY is the hash
// of what is in force; BYPASS the seconds that one still lasts; MISPLACED are all requests with a placeholder where it does not
// belong, LATELY those of 24 hours. What is not known is "-". Nothing else is ever printed,
// whatever a gate says.
func runLook(args []string, out, stderr io.Writer) int {
	if len(args) < 2 {
		fmt.Fprintln(stderr, "usage: fleet-gate look RUN STATE KEY...")
		return 2
	}
	lines := make([]string, len(args)-2)
	var all sync.WaitGroup
	for i, key := range args[2:] {
		all.Go(func() { lines[i] = look(args[0], args[1], key) })
	}
	all.Wait()
	for _, l := range lines {
		fmt.Fprintln(out, l)
	}
	return 0
}

func look(run, state, key string) string {
	ctx, cancel := context.WithTimeout(context.Background(), lookTime)
	defer cancel()
	s, err := egress.Ask(ctx, filepath.Join(run, "egress/gate", key, "control"))
	if err == nil {
		bypass := int64(0)
		if s.Bypass != nil {
			bypass = max(0, s.Bypass.Seconds)
		}
		word := "active"
		if s.Mute {
			word = "mute"
		}
		return seenLine(key, word, s.Day, s.Total, s.Open, s.Mode, s.Policy, bypass)
	}
	word := "silent"
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		word = "idle"
	}
	c := kept(filepath.Join(state, "egress/gate", key))
	return seenLine(key, word, c.Last(time.Now()), c.Total, 0, "", "", bypassLeft(filepath.Join(run, "egress/bypass", key)))
}

func seenLine(key, state string, day, total egress.Tally, open int64, mode, digest string, bypass int64) string {
	if mode != policy.Enforce && mode != policy.Report && mode != policy.Off {
		mode = ""
	}
	would := day.Reported + day.Bypassed
	return fmt.Sprintf("%s %s %d %d %d %d %d %s %s %d %d %d", key, state, day.Allowed+would, day.Denied, would, total.Denied, open,
		cmp.Or(mode, "-"), cmp.Or(digest, "-"), bypass, total.Misplaced, day.Misplaced)
}

// kept reads the counts that a gate has left, as the data of another user.
func kept(dir string) *egress.Counts {
	d, err := safefile.Open(dir)
	if err != nil {
		return new(egress.Counts)
	}
	defer d.Close()
	b, err := d.Read(egress.CountsFile, egress.MaxCounts)
	if err != nil {
		return new(egress.Counts)
	}
	c, err := egress.ParseCounts(b)
	if err != nil {
		return new(egress.Counts)
	}
	return c
}

// bypassLeft is how many seconds the bypass in a file of root's has still to run.
func bypassLeft(path string) int64 {
	boot, err := thisBoot(os.Getenv(bootVariable))
	if err != nil {
		return 0
	}
	b, err := readBypass(path, boot)
	if err != nil || b == nil {
		return 0
	}
	left, err := b.Left(boot, boottime.Now())
	if err != nil {
		return 0
	}
	return int64((left + time.Second - 1) / time.Second)
}
