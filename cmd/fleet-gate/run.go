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
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"fleet/activate/boottime"
	"fleet/cmd/fleet-gate/internal/listen"
	"fleet/cmd/internal/daemon"
	"fleet/cmd/internal/spool"
	"fleet/cmd/internal/walls"
)

const (
	// drainTime is how long connections may go on after SIGTERM, if --drain says nothing else; endTime how long their last
	// records may take then.
	drainTime = 10 * time.Second
	endTime   = 2 * time.Second

	// gcPercent has little garbage lie about, since there is a gate for each agent: 2 MiB instead of 4.
	gcPercent = 50

	// processors run a gate's own code at a time. With a second one each packet wakes a thread that looks for work and
	// finds none: an inspected request takes 54 microseconds of CPU then and 38 with one, and no agent can take more of
	// the host through its gate.
	processors = 1

	// A connection has two descriptors, and four more while it is spliced; reserved are those of the gate itself.
	perConnection, reserved = 3, 64
	maxConnections          = 16 << 10
)

// options are the command line.
type options struct {
	policy, cut, bypass     string
	boot                    string // names this boot, as /proc/sys/kernel/random/boot_id does
	roots                   string
	state, journal, control string
	credentials             string
	runtime                 string
	walls                   string // list of the host's namespaces
	ports                   listen.Ports
	idle, tunnelIdle, drain time.Duration
}

func parse(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("fleet-gate", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.policy, "policy", "", "policy `file`; read again on SIGHUP")
	f.StringVar(&o.cut, "cut", "", "`file` that exists while the agent is cut off; looked for again on SIGHUP")
	f.StringVar(&o.bypass, "bypass", "", "`file` of a bypass; read again on SIGHUP")
	boot := f.String("boot", os.Getenv(bootVariable), "`id` of this boot as systemd has it (%b), which in a container may not be the kernel's")
	f.StringVar(&o.control, "control", "", "`socket` to make for root's questions: GET /status and GET /metrics")
	f.StringVar(&o.state, "state", os.Getenv("STATE_DIRECTORY"), "`folder` for names and their addresses, counts and budgets")
	f.StringVar(&o.runtime, "runtime", os.Getenv("RUNTIME_DIRECTORY"), "`folder` for records on their way to the journal; that of --state if not given")
	f.StringVar(&o.credentials, "credentials", os.Getenv("CREDENTIALS_DIRECTORY"), "`folder` with the values of the policy's secrets")
	f.StringVar(&o.walls, "walls", "", "prove first that the unit's sandbox is there; `file` lists the host's namespaces")
	f.StringVar(&o.roots, "roots", "", "`file` with the authorities that hosts are verified by; the system's if not given")
	f.StringVar(&o.journal, "journal", spool.Socket, "`socket` of journald")
	f.DurationVar(&o.idle, "idle", 10*time.Minute, "exit after so long without a connection; 0: never")
	f.DurationVar(&o.tunnelIdle, "tunnel-idle", time.Hour, "end a tunnel after so long without a byte; 0: never")
	f.DurationVar(&o.drain, "drain", drainTime, "let connections go on so long after SIGTERM")
	dns := f.Uint("dns-port", 53, "`port` of the passed sockets for name service")
	proxy := f.Uint("proxy-port", 3128, "`port` of the passed socket for proxy requests; every other one is transparent")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		err = fmt.Errorf("takes no arguments, got %q", f.Arg(0))
	case o.policy == "":
		err = errors.New("--policy must name the policy file")
	case o.state == "":
		err = errors.New("--state must name a folder; StateDirectory= in the unit gives one")
	case *dns == 0 || *dns > 65535 || *proxy == 0 || *proxy > 65535 || *dns == *proxy:
		err = errors.New("--dns-port and --proxy-port must be two ports from 1 to 65535")
	}
	if err == nil {
		o.boot, err = thisBoot(*boot)
	}
	if o.runtime == "" {
		o.runtime = o.state
	}
	o.ports = listen.Ports{DNS: uint16(*dns), Proxy: uint16(*proxy)}
	return o, err
}

// bootVariable is set by units to systemd's specifier %b.
const bootVariable = "FLEET_BOOT"

// thisBoot names this boot as the kernel writes it, from 32 hexadecimal digits, as systemd has it; "" asks the kernel.
func thisBoot(id string) (string, error) {
	switch len(id) {
	case 0:
		return boottime.ID()
	case 32:
		return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:], nil
	}
	return id, nil
}

// run serves until SIGTERM or idle, and returns the exit status: 2 for a wrong command line, 1 for all else.
func run(args []string, stderr io.Writer) int {
	log := daemon.NewLog(stderr)
	o, err := parse(args, stderr)
	if err != nil {
		return daemon.Misused(log, err)
	}
	if err := errors.Join(walls.Prove(o.walls), daemon.Harden()); err != nil {
		log.Error(err)
		return 1
	}
	runtime.GOMAXPROCS(processors)
	debug.SetGCPercent(gcPercent)
	g, err := open(o, log)
	if err != nil {
		log.Error(err)
		return 1
	}
	defer g.close()
	return g.serve()
}

// serve serves and handles signals.
func (g *gate) serve() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	g.mu.Lock()
	status := g.status()
	g.mu.Unlock()
	daemon.Notify("READY=1\nSTATUS=" + status)
	go daemon.Watchdog(ctx, g.log, g.alive)
	go func() {
		for {
			select {
			case <-hup:
				g.reload()
			case <-ctx.Done():
				return
			}
		}
	}()
	if g.server.Serve(ctx) {
		g.log.Info("idle; systemd starts the gate again at the next connection")
		return 0
	}
	daemon.Notify("STOPPING=1")
	g.drain()
	return 0
}

// drain lets open connections end, then ends them.
func (g *gate) drain() {
	g.waitOpen(g.o.drain)
	g.judge.CutAll()
	g.server.CloseAll() // what waits for a next request
	g.waitOpen(endTime)
}

func (g *gate) waitOpen(limit time.Duration) {
	for end := time.Now().Add(limit); g.server.Open() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
}

// connections is how many the limit of open files leaves room for.
func connections() (int, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	if l.Cur < 4*reserved {
		return 0, fmt.Errorf("LimitNOFILE= must be at least %d, is %d", 4*reserved, l.Cur)
	}
	return int(min((l.Cur-reserved)/perConnection, maxConnections)), nil
}
