package journal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

// unitFailure is the id of systemd's message that a unit failed, SD_MESSAGE_UNIT_FAILURE_RESULT of sd-messages.h.
const unitFailure = "d9b373ed55a64feb8242e02dbe79a49c"

// failureLines bounds what is read: the newest of them tells.
const failureLines = "10"

// syncTime bounds the wait for the journal, which is over in milliseconds where its disk is well.
const syncTime = 5 * time.Second

// Sync waits until the journal holds what units have written and systemd has said so far. It is for reading what led to
// an event that came by another way; where it does not work the journal may lack the last lines.
func Sync(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, syncTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--sync")
	cmd.Env = environment
	cmd.Run() //nolint:errcheck // see above
}

// Failed reports whether systemd said since a time of CLOCK_MONOTONIC that the unit failed. A unit that systemd starts
// again shows no trace of that but here: its properties are those of the new instance.
func Failed(ctx context.Context, unit string, since time.Duration) (bool, error) {
	cmd := exec.CommandContext(ctx, program, "--quiet", "--no-pager", "--boot", "--output=json", "--output-fields=MESSAGE_ID",
		"--lines="+failureLines, "_PID=1", "MESSAGE_ID="+unitFailure, "UNIT="+unit)
	cmd.Env = environment
	out, err := cmd.Output()
	if err != nil {
		return false, fmt.Errorf("read the journal: %s: %w", program, err)
	}
	return laterThan(out, since), nil
}

// Spoke reports whether a process of this instance of the unit has written a line to its standard output. What is in the
// journal cannot be taken out again by the unit.
func Spoke(ctx context.Context, unit, invocation string) (bool, error) {
	cmd := exec.CommandContext(ctx, program, "--quiet", "--no-pager", "--boot", "--output=json", "--output-fields=_TRANSPORT",
		"--lines=1", "_TRANSPORT=stdout", "_SYSTEMD_UNIT="+unit, "_SYSTEMD_INVOCATION_ID="+invocation)
	cmd.Env = environment
	out, err := cmd.Output()
	if err != nil {
		return false, fmt.Errorf("read the journal: %s: %w", program, err)
	}
	return laterThan(out, 0), nil
}

// laterThan reports whether one of journalctl's JSON objects is of a later time of CLOCK_MONOTONIC.
func laterThan(out []byte, since time.Duration) bool {
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		var r struct {
			Monotonic string `json:"__MONOTONIC_TIMESTAMP"` // microseconds
		}
		if json.Unmarshal(s.Bytes(), &r) != nil {
			continue
		}
		if usec, err := strconv.ParseInt(r.Monotonic, 10, 64); err == nil && time.Duration(usec)*time.Microsecond >= since {
			return true
		}
	}
	return false
}
