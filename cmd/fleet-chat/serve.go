package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"fleet/cmd/internal/credential"
	"fleet/cmd/internal/daemon"
	"fleet/cmd/internal/walls"
)

// drainTime is how long calls may go on after SIGTERM, if --drain says nothing else.
const drainTime = 5 * time.Second

// options are the command line.
type options struct {
	config, walls, state, credentials string
	drain                             time.Duration
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("fleet-chat", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.config, "config", "", "`file` that says who speaks where")
	f.StringVar(&o.walls, "walls", "", "prove first that the unit's sandbox is there; `file` lists the host's namespaces")
	f.StringVar(&o.state, "state", os.Getenv("STATE_DIRECTORY"), "`folder` for what was said and done")
	f.StringVar(&o.credentials, "credentials", os.Getenv(credential.Variable), "`folder` with the values of secrets")
	f.DurationVar(&o.drain, "drain", drainTime, "let calls go on so long after SIGTERM")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		err = fmt.Errorf("takes no arguments, got %q", f.Arg(0))
	case o.config == "":
		err = errors.New("--config must name the configuration file")
	case o.state == "":
		err = errors.New("--state must name a folder; StateDirectory= in the unit gives one")
	}
	return o, err
}

// serve serves until SIGTERM, and returns the exit status: 2 for a wrong command line, 1 for all else.
func serve(args []string, stderr io.Writer) int {
	log := daemon.NewLog(stderr)
	o, err := parse(args, stderr)
	if err != nil {
		return daemon.Misused(log, err)
	}
	if err := errors.Join(daemon.Harden(), walls.Prove(o.walls)); err != nil {
		log.Error(err)
		return 1
	}
	s, err := open(o, log)
	if err == nil {
		err = s.run()
	}
	if err = errors.Join(err, s.close()); err != nil {
		log.Error(err)
		return 1
	}
	return 0
}

// run serves and handles signals. It returns an error where the store has failed: systemd starts the daemon again, which
// looks at the file first.
func (s *instance) run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	failed := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		failed <- s.hub.Run(ctx)
		cancel() // it ends by itself only where the store has failed
	}()
	daemon.Notify("READY=1\nSTATUS=" + s.status())
	go daemon.Watchdog(ctx, s.log, s.alive)
	s.listen.Serve(ctx)
	daemon.Notify("STOPPING=1")
	for end := time.Now().Add(s.o.drain); s.running() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	return <-failed
}
