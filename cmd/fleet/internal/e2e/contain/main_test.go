//go:build machine

package contain

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// program is the name of this test's own binary in the machine: the harness of the hostile agents, and whatever else
// runs there.
const program = "hostile"

func TestMain(m *testing.M) {
	if !strings.HasPrefix(filepath.Base(os.Args[0]), program) {
		status := m.Run()
		endShared()
		os.Exit(status)
	}
	role, ok := roles[os.Args[1]]
	if !ok {
		fmt.Fprintln(os.Stderr, "no role", os.Args[1])
		os.Exit(2)
	}
	role(os.Args[2:])
}

// roles are what the program does in the machine, by its first argument.
var roles map[string]func(args []string)

func init() {
	roles = map[string]func([]string){
		"agent": agentMain, "try": tryMain, "origin": originMain, "serve": serveMain, "watch": watchMain, "listen": listen,
		"whoami": whoami, "listen-low": listenLow, "forked": forked, "sleep": sleep,
		"fingerprint": fingerprint, "plant": plant, "fake-tmux": fakeTmux, "evil-tmux": evilTmux,
		"siege": siege, "fork-on": forkOn, "lock-out": lockOut, "fill-records": fillRecords,
		"hold-terminals": holdTerminals,
	}
}

// attempt is one thing that an agent must not be able to do. It returns nil where it succeeded.
type attempt struct {
	name string
	free string // who can do it outside of every wall: "root", "nobody", or "" where it would harm or this kernel lacks it
	try  func() error
}

// outcome is what came of an attempt.
type outcome struct {
	Name   string
	Done   bool   // it succeeded
	Detail string // what the kernel answered
}

// answerTime bounds an attempt. Where a wall holds, the kernel refuses at once.
const answerTime = 3 * time.Second

func (a attempt) run() outcome {
	answer := make(chan error, 1)
	go func() { answer <- a.try() }()
	select {
	case err := <-answer:
		if err != nil {
			return outcome{Name: a.name, Detail: err.Error()}
		}
		return outcome{Name: a.name, Done: true, Detail: "succeeded"}
	case <-time.After(answerTime):
		return outcome{Name: a.name, Done: true, Detail: "neither done nor refused"}
	}
}

// agentMain is the harness. Its prompt names a group of attempts, or an act, and gives arguments.
func agentMain(args []string) {
	words := strings.Fields(args[len(args)-1])
	seen := filepath.Join(os.Getenv("HOME"), "seen")
	if err := os.MkdirAll(seen, 0o700); err != nil {
		fmt.Println(err)
	}
	name := words[0]
	if act, ok := acts[name]; ok {
		act(words[1:])
		return
	}
	group, ok := groups[name]
	if !ok {
		fmt.Println("no group", name)
		return
	}
	var out []outcome
	for _, a := range group(os.Getenv("FLEET_AGENT")) {
		out = append(out, a.run())
	}
	report(filepath.Join(seen, name), out)
}

// report writes v as JSON so that no reader sees half of it.
func report(path string, v any) {
	data, err := json.Marshal(v)
	if err == nil {
		err = errors.Join(os.WriteFile(path+".new", data, 0o600), os.Rename(path+".new", path))
	}
	if err != nil {
		fmt.Println(err)
	}
}

// tryMain makes the attempts of a group that are possible for whoever is named.
func tryMain(args []string) {
	var out []outcome
	who := os.Getenv("FLEET_AGENT")
	if who == "" {
		who = "free"
	}
	for _, a := range groups[args[0]](who) {
		if a.free == args[1] {
			out = append(out, a.run())
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
