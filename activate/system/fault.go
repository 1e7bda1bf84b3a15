//go:build fault

package system

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// FaultFile holds a list of Faults as JSON, in a build with the tag fault. A process takes the first one that is meant
// for it; one that finds none is left alone and not listed. Without the file every process is listed in FaultLog.
const FaultFile = "/run/fleet-fault"

// FaultLog is where such a build lists its effects, one line each: the number, the process and the text.
const FaultLog = "/run/fleet-effects"

// Fault says which process is interrupted, and before which of its effects.
type Fault struct {
	// Args must all be among the process's arguments.
	Args []string `json:"args"`
	// Before is a regular expression that matches whole texts: the process kills itself before the effect with the Nth
	// of them, as a power cut would. Nothing is interrupted where it is empty.
	Before string `json:"before"`
	Nth    int    `json:"nth"` // from 1; 0 is 1
	// Pause stops the process there instead of killing it. It goes on at SIGCONT.
	Pause bool `json:"pause"`
	// Log takes the place of FaultLog.
	Log string `json:"log"`
}

// Default returns effects that are listed and interrupted.
func Default() Effects {
	data, err := os.ReadFile(FaultFile)
	if err != nil {
		return &faulty{Fault: Fault{Log: FaultLog}}
	}
	var faults []Fault
	if err := json.Unmarshal(data, &faults); err != nil {
		panic(fmt.Sprintf("%s: %v", FaultFile, err))
	}
	for _, f := range faults {
		if f.isMeant() {
			return newFaulty(f)
		}
	}
	return Real{}
}

func (f *Fault) isMeant() bool {
	return !slices.ContainsFunc(f.Args, func(arg string) bool { return !slices.Contains(os.Args, arg) })
}

type faulty struct {
	Fault
	before *regexp.Regexp

	mu      sync.Mutex
	n, seen int
}

func newFaulty(f Fault) *faulty {
	f.Nth = max(f.Nth, 1)
	if f.Log == "" {
		f.Log = FaultLog
	}
	out := &faulty{Fault: f}
	if f.Before != "" {
		out.before = regexp.MustCompile(`^(?:` + f.Before + `)$`)
	}
	return out
}

func (f *faulty) Do(what string, do func() error) error {
	if f.list(what) {
		f.interrupt()
	}
	return do()
}

// list notes the effect and reports whether it is the one to be interrupted.
func (f *faulty) list(what string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	if log, err := os.OpenFile(f.Log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err == nil {
		fmt.Fprintf(log, "%d %d %s\n", f.n, os.Getpid(), what)
		log.Close()
	}
	if f.before == nil || !f.before.MatchString(what) {
		return false
	}
	f.seen++
	return f.seen == f.Nth
}

func (f *faulty) interrupt() {
	if f.Pause { // sent to this very thread, which cannot go on before the others have stopped too
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
		return
	}
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	select {}
}
