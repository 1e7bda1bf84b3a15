package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"fleet/cmd/fleet-gate/internal/ca"
	"fleet/cmd/internal/daemon"
)

// caOptions are the command line of fleet-gate ca.
type caOptions struct{ policy, state, bundle, roots string }

func parseCA(args []string, stderr io.Writer) (o caOptions, err error) {
	f := flag.NewFlagSet("fleet-gate ca", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.policy, "policy", "", "policy `file`")
	f.StringVar(&o.state, "state", os.Getenv("STATE_DIRECTORY"), "`folder` of the gate, where the authority is kept")
	f.StringVar(&o.bundle, "bundle", "", "`file` to write: what the agent trusts")
	f.StringVar(&o.roots, "roots", "", "`file` with the authorities that hosts are verified by; the system's if not given")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		err = fmt.Errorf("ca takes no arguments, got %q", f.Arg(0))
	case o.policy == "":
		err = errors.New("ca: --policy must name the policy file")
	case o.state == "":
		err = errors.New("ca: --state must name the gate's folder")
	case o.bundle == "":
		err = errors.New("ca: --bundle must name the file to write")
	}
	return o, err
}

// runCA makes the authority of a gate and the bundle of its agent before the agent starts, and returns the exit status
// as run does. It changes nothing where nothing has changed.
func runCA(args []string, stderr io.Writer) int {
	log := daemon.NewLog(stderr)
	o, err := parseCA(args, stderr)
	if err != nil {
		return daemon.Misused(log, err)
	}
	if err := writeBundle(o); err != nil {
		log.Error(err)
		return 1
	}
	return 0
}

func writeBundle(o caOptions) error {
	r, err := load(o.policy)
	if err != nil {
		return err
	}
	roots, err := ca.Roots(o.roots)
	if err != nil {
		return err
	}
	c, err := ca.Ensure(o.state, ca.Hosts(r.policy))
	if err != nil {
		return fmt.Errorf("certificate authority in %s: %w", o.state, err)
	}
	return ca.WriteBundle(o.bundle, roots, c)
}
