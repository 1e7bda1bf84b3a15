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

	"github.com/sirupsen/logrus"

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
	log := logrus.New()
	log.SetOutput(stderr)
	log.SetFormatter(new(logrus.JSONFormatter))
	f := flag.NewFlagSet("fleet-gate reload", flag.ContinueOnError)
	f.SetOutput(stderr)
	policy := f.String("policy", "", "policy `file`")
	control := f.String("control", "", "control `socket` of the gate")
	err := f.Parse(args)
	pid, pidErr := strconv.Atoi(os.Getenv("MAINPID"))
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil || pidErr != nil || *policy == "" || *control == "" || f.NArg() > 0:
		log.Error("reload: --policy and --control must be given, and MAINPID, as systemd sets it")
		return 2
	}
	if err := reload(pid, *policy, *control); err != nil {
		log.WithError(err).Error("reload: the policy before stays in force")
		return 1
	}
	return 0
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
