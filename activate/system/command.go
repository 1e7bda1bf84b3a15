package system

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"fleet/schemas/report"
)

// Environ is the environment of every program that the activator starts: the caller's is not to be trusted, and texts
// must not depend on a locale.
var Environ = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root",
	"SYSTEMD_PAGER=", "SYSTEMD_COLORS=0",
}

// outputLimit bounds what of a program's output an error repeats.
const outputLimit = 4 << 10

// grace is how long a program's pipes may stay open after it was killed.
const grace = 2 * time.Second

// Output runs a program that changes nothing and returns its standard output. An error holds what the program said.
func Output(ctx context.Context, argv ...string) (string, error) {
	var out, errOut bytes.Buffer
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env, c.Stdout, c.Stderr, c.WaitDelay = Environ, &out, &errOut, grace
	if err := c.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w%s", argv[0], err, said(errOut.String()+out.String()))
	}
	return out.String(), nil
}

// Run runs a program that changes the host.
func Run(ctx context.Context, fx Effects, what string, argv ...string) error {
	return fx.Do(what, func() error {
		_, err := Output(ctx, argv...)
		return err
	})
}

func said(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	if len(s) > outputLimit {
		s = s[:outputLimit] + " ..."
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = report.Printable(l)
	}
	return ": " + strings.Join(lines, "; ")
}
