package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"fleet/cmd/internal/credential"
	"fleet/cmd/internal/daemon"
	"fleet/cmd/internal/spool"
	"fleet/cmd/internal/walls"
)

const (
	// drainTime is how long calls may go on after SIGTERM, if --drain says nothing else.
	drainTime = 10 * time.Second

	// readyTime is for tools that unpack themselves first. graceTime is what one has to show that it is alive.
	readyTime, graceTime = time.Minute, 5 * time.Second

	// gcPercent has little garbage lie about: a sidecar is one of many daemons, and mostly idle.
	gcPercent = 50

	// processors run a sidecar's own code at a time. With a second one each message wakes a thread that looks for work and
	// finds none: a call through it takes 2.7 times the bare server's then, and 2.2 with one.
	processors = 1
)

// options are the command line.
type options struct {
	config, walls             string
	home, runtime, journal    string
	credentials               string
	idle, drain, ready, grace time.Duration
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("fleet-sidecar", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.config, "config", "", "`file` that says what is offered to whom")
	f.StringVar(&o.walls, "walls", "", "prove first that the unit's sandbox is there; `file` lists the host's namespaces")
	f.StringVar(&o.home, "home", os.Getenv("STATE_DIRECTORY"), "`folder` that is the tool's home")
	f.StringVar(&o.runtime, "runtime", os.Getenv("RUNTIME_DIRECTORY"), "`folder` for records on their way to the journal")
	f.StringVar(&o.journal, "journal", spool.Socket, "`socket` of journald")
	f.StringVar(&o.credentials, "credentials", os.Getenv(credential.Variable), "`folder` with the values of secrets")
	f.DurationVar(&o.idle, "idle", 10*time.Minute, "exit after so long without a session; 0: never")
	f.DurationVar(&o.drain, "drain", drainTime, "let calls go on so long after SIGTERM")
	f.DurationVar(&o.ready, "ready", readyTime, "give up a tool that is not ready so long after its start")
	f.DurationVar(&o.grace, "grace", graceTime, "end a tool that answers no ping for so long after a call took too long")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		err = fmt.Errorf("takes no arguments, got %q", f.Arg(0))
	case o.config == "":
		err = errors.New("--config must name the configuration file")
	case o.home == "":
		err = errors.New("--home must name a folder; StateDirectory= in the unit gives one")
	case o.runtime == "":
		err = errors.New("--runtime must name a folder; RuntimeDirectory= in the unit gives one")
	}
	return o, err
}

// run serves until SIGTERM or idle, and returns the exit status: 2 for a wrong command line, 1 for all else.
func run(args []string, stderr io.Writer) int {
	log := daemon.NewLog(stderr)
	o, err := parse(args, stderr)
	if err != nil {
		return daemon.Misused(log, err)
	}
	if err := prepare(o); err != nil {
		log.Error(err)
		return 1
	}
	runtime.GOMAXPROCS(processors)
	debug.SetGCPercent(gcPercent)
	s, err := open(o, log)
	if err != nil {
		log.Error(err)
		return 1
	}
	defer s.close()
	return s.run()
}

// prepare closes the ways by which values could leave this process, and refuses to serve where a wall is missing.
func prepare(o options) error {
	if err := daemon.Harden(); err != nil {
		return err
	}
	if err := keepDescriptors(); err != nil {
		return fmt.Errorf("cannot keep descriptors from the tool: %w", err)
	}
	return walls.Prove(o.walls)
}

// keepDescriptors has no child get a descriptor that this process was started with.
func keepDescriptors() error {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, f := range list {
		if n, err := strconv.Atoi(f.Name()); err == nil && n > 2 {
			syscall.CloseOnExec(n)
		}
	}
	return nil
}

// run serves and handles signals.
func (s *instance) run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	daemon.Notify("READY=1\nSTATUS=" + s.status())
	go daemon.Watchdog(ctx, s.log, s.alive)
	if s.listen.Serve(ctx) {
		s.log.Info("idle; systemd starts the sidecar again at the next connection")
		return 0
	}
	daemon.Notify("STOPPING=1")
	for end := time.Now().Add(s.o.drain); s.relay.Running() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	return 0
}
