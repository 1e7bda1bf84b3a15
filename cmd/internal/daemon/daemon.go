// Package daemon is what fleet's daemons have in common as programs that systemd starts.
package daemon

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// NewLog returns the log of a command: a line of JSON for each entry.
func NewLog(stderr io.Writer) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(stderr)
	log.SetFormatter(new(logrus.JSONFormatter))
	return log
}

// Harden keeps the memory of a daemon, in which secrets are, from other processes and from disk: nobody attaches to it but
// root (prctl(2), PR_SET_DUMPABLE), and there is no core dump.
func Harden() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("close the memory to other processes: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, new(unix.Rlimit)); err != nil {
		return fmt.Errorf("rule out core dumps: %w", err)
	}
	return nil
}

// Misused returns the exit status of a command line that was not taken: 0 where it asked for help.
func Misused(log *logrus.Logger, err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	log.Error(err)
	return 2
}

// Notify tells systemd a state, sd_notify(3), where there is one; it goes on without.
func Notify(state string) { _, _ = daemon.SdNotify(false, state) }

// beats is how many signs of life systemd gets in WatchdogSec=.
const beats = 3

// Watchdog tells systemd that a daemon lives as long as it does, where the unit has WatchdogSec=. alive may hang; that is
// no sign of life.
func Watchdog(ctx context.Context, log *logrus.Logger, alive func(limit time.Duration) bool) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.WithError(err).Error("systemd's watchdog gets no signs of life")
	}
	if limit > 0 {
		beat(ctx, limit/beats, alive, func() { Notify("WATCHDOG=1") })
	}
}

// beat calls sign as often as every tells while alive, which may hang, returns true in time.
func beat(ctx context.Context, every time.Duration, alive func(limit time.Duration) bool, sign func()) {
	answers := make(chan bool, 1)
	asked := false
	for tick := time.Tick(every); ; {
		if !asked {
			asked = true
			go func() { answers <- alive(every) }()
		}
		select {
		case <-ctx.Done():
			return
		case ok := <-answers:
			asked = false
			if ok {
				sign()
			}
			select {
			case <-ctx.Done():
				return
			case <-tick:
			}
		}
	}
}
