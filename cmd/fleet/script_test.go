package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"fleet": main}) }

// TestScripts runs testdata/script/*.txtar; the first line of each says what it proves. Beside testscript's own commands
// there is "exits STATUS COMMAND...", which wants exactly that exit status.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               func(e *testscript.Env) error { return placeDaemons(e.Getenv("PATH")) },
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// built is done when the daemons are beside the program under test. All scripts have the same one.
var built sync.Once

// placeDaemons builds the daemons into the first folder of PATH, where the program under test is.
func placeDaemons(path string) (err error) {
	built.Do(func() {
		bin, _, _ := strings.Cut(path, string(os.PathListSeparator))
		cmd := exec.Command("go", "build", "-o", bin+"/", "fleet/cmd/fleet-gate", "fleet/cmd/fleet-sidecar")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, failed := cmd.CombinedOutput(); failed != nil {
			err = fmt.Errorf("%w\n%s", failed, out)
		}
	})
	return err
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var failed *exec.ExitError
	err = ts.Exec(args[1], args[2:]...)
	if errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%v exits with %d, want %d", args[1:], got, want)
	}
}
