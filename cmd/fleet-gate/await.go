package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"fleet/cmd/internal/daemon"
	"fleet/schemas/egress"
)

const (
	// awaitTime is how long a gate may take to put a policy in force.
	awaitTime = 10 * time.Second
	awaitStep = 20 * time.Millisecond

	// settled is after how long an error is not that of the reload before.
	settled = 500 * time.Millisecond
)

// runReload tells the gate whose process systemd names in MAINPID to read its policy again, and waits until it is in
// force, for ExecReload=. It returns the exit status as run does: 1 where the policy before stays.
func runReload(args []string, stderr io.Writer) int {
	log := daemon.NewLog(stderr)
	o, err := parseReload(args, stderr)
	if err != nil {
		return daemon.Misused(log, err)
	}
	if err := reload(o.pid, o.policy, o.control); err != nil {
		log.WithError(err).Error("reload: the policy before stays in force")
		return 1
	}
	return 0
}

// reloadOptions are the command line of fleet-gate reload, and what systemd adds.
type reloadOptions struct {
	policy, control string
	pid             int
}

func parseReload(args []string, stderr io.Writer) (o reloadOptions, err error) {
	f := flag.NewFlagSet("fleet-gate reload", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.policy, "policy", "", "policy `file`")
	f.StringVar(&o.control, "control", "", "control `socket` of the gate")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.pid, err = strconv.Atoi(os.Getenv("MAINPID"))
	if err != nil || o.policy == "" || o.control == "" || f.NArg() > 0 {
		return o, errors.New("reload: --policy and --control must be given, and MAINPID, as systemd sets it")
	}
	return o, nil
}

func reload(pid int, policy, control string) error {
	b, err := os.ReadFile(policy)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	want := hex.EncodeToString(sum[:])
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		return fmt.Errorf("signal process %d: %w", pid, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), awaitTime)
	defer cancel()
	for began := time.Now(); ; time.Sleep(awaitStep) {
		s, err := egress.Ask(ctx, control)
		switch {
		case err == nil && s.Policy == want:
			return nil
		case err == nil && s.Error != "" && time.Since(began) > settled:
			return errors.New(s.Error)
		case ctx.Err() != nil:
			return errors.Join(errors.New("the gate does not take the policy"), err)
		}
	}
}
