package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"fleet/generate"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"fleet": main}) }

// TestScripts runs testdata/script/*.txtar; the first line of each says what it proves. Beside testscript's own commands
// there is "exits STATUS COMMAND...", which wants exactly that exit status, "await", and "chatd" for a chat; ME is the
// user, and [root] tells whether it is root.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               setup,
		Condition: func(name string) (bool, error) {
			if name != "root" {
				return false, fmt.Errorf("there is no condition %q", name)
			}
			return os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "await": await, "chatd": runChatd,
		},
	})
}

func setup(e *testscript.Env) error {
	me, err := user.Current()
	if err != nil {
		return err
	}
	e.Setenv("ME", me.Username)
	d := new(chatd)
	e.Values[chatdKey{}] = d
	e.Defer(d.close)
	return placeDaemons(e.Getenv("PATH"))
}

var (
	// built is done when the daemons are beside the program under test. All scripts have the same one.
	built sync.Once

	daemons string // their folder
)

// placeDaemons builds the daemons into the first folder of PATH, where the program under test is.
func placeDaemons(path string) (err error) {
	built.Do(func() {
		daemons, _, _ = strings.Cut(path, string(os.PathListSeparator))
		args := []string{"build", "-o", daemons + "/"}
		for _, name := range generate.Daemons {
			args = append(args, "fleet/cmd/"+name)
		}
		cmd := exec.Command("go", args...)
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
