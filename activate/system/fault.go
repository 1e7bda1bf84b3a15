//go:build fault

package system

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
)

// FaultFile holds, in a build with the tag fault, the number of the effect before which the process kills itself, as a
// power cut would; a negative number -N kills it right after effect N. Without the file nothing happens.
const FaultFile = "/run/fleet-fault"

// FaultLog is where such a build lists its effects, one line each: the number, the process and the text.
const FaultLog = "/run/fleet-effects"

// Default returns effects that count, list and interrupt.
func Default() Effects { return &faulty{at: faultAt()} }

type faulty struct {
	at int64
	n  atomic.Int64
}

func faultAt() int64 {
	data, err := os.ReadFile(FaultFile)
	if err != nil {
		return 0
	}
	at, err := strconv.ParseInt(string(data), 10, 64)
	if err != nil {
		return 0
	}
	return at
}

func (f *faulty) Do(what string, do func() error) error {
	n := f.n.Add(1)
	f.list(n, what)
	if f.at == n {
		die()
	}
	err := do()
	if f.at == -n {
		die()
	}
	return err
}

func (f *faulty) list(n int64, what string) {
	log, err := os.OpenFile(FaultLog, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return
	}
	defer log.Close()
	fmt.Fprintf(log, "%d %d %s\n", n, os.Getpid(), what)
}

func die() {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
