package main

import (
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fleet/cmd/fleet-sidecar/internal/toolstub"
)

// Whatever a tool does, each call has an answer, and the next one is served.
func TestHostileTool(t *testing.T) {
	each(t, nil, func(t *testing.T, h *host, transport string) {
		cs := h.connect(transport, "lead", nil)
		for _, c := range []struct {
			tool string
			with object
			want string
		}{
			{"crash", nil, "the tool has ended (exit status 7)"},
			{"half", nil, "the tool has answered with what is no JSON-RPC"},
			{"huge", object{"n": 1 << 20}, "a message has more than 65536 bytes"},
			{"malformed", nil, "the tool is not understood: the tool has answered with what is no JSON-RPC"},
			{"noresult", nil, "the tool has answered with no result"},
			{"close", nil, "the tool has closed its output"},
		} {
			fails(t, cs, c.tool, c.with, c.want)
			eventually(t, c.tool+": nothing works any more", func() bool {
				_, err := call(cs, "echo", nil)
				return err == nil
			})
		}
		if got := mustCall(t, cs, "garbage", nil); got != "after garbage" {
			t.Errorf("got %q", got)
		}
		if got := mustCall(t, cs, "stranger", nil); got != "in a batch" {
			t.Errorf("got %q", got)
		}
		if got := mustCall(t, cs, "flood", object{"n": 20_000}); got != "flooded" {
			t.Errorf("got %q", got)
		}
		if got := mustCall(t, cs, "huge", object{"n": 60 << 10}); len(got) != 60<<10 {
			t.Errorf("got %d bytes", len(got))
		}
	})
}

// A message that is too long is an error of its own call alone.
func TestHugeAnswersHitNobodyElse(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.start()
	cs := h.connect("stdio", "lead", nil)
	pid := mustCall(t, cs, "pid", nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if got, err := call(cs, "slow", object{"n": 500}); got != "slept" {
			t.Errorf("got %q, %v", got, err)
		}
	})
	fails(t, cs, "huge", object{"n": 1 << 20}, "a message has more than")
	wg.Wait()
	if again := mustCall(t, cs, "pid", nil); again != pid {
		t.Error("the tool was started again")
	}
}

// A call that hangs ends with an error in its time; the tool goes on as long as it answers a ping, and is ended where it
// does not.
func TestTimeout(t *testing.T) {
	each(t, func(h *host) { h.config.CallTimeout = "1s" }, func(t *testing.T, h *host, transport string) {
		cs := h.connect(transport, "lead", nil)
		pid := mustCall(t, cs, "pid", nil)
		began := time.Now()
		fails(t, cs, "hang", nil, "the tool gave no answer within 1s")
		if took := time.Since(began); took < time.Second || took > 5*time.Second {
			t.Errorf("after %s", took)
		}
		eventually(t, "the tool was not told", func() bool { return mustCall(t, cs, "cancelled", nil) == "1" })
		if again := mustCall(t, cs, "pid", nil); again != pid {
			t.Error("a tool that answers was ended")
		}
		seen := map[string]bool{}
		for !seen["hang timeout"] {
			r := h.record()
			seen[r["FLEET_TOOL"]+" "+r["FLEET_RESULT"]] = true
		}
	})
}

func TestFrozenTool(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.config.CallTimeout = "1s"
	h.start("--grace", "300ms")
	cs := h.connect("stdio", "lead", nil)
	pid := mustCall(t, cs, "pid", nil)
	h.signalTool(syscall.SIGSTOP)
	var wg sync.WaitGroup
	wg.Go(func() { fails(t, cs, "echo", nil, "the tool ") })
	fails(t, cs, "echo", nil, "the tool ")
	wg.Wait()
	eventually(t, "the tool was not started again", func() bool {
		again, err := call(cs, "pid", nil)
		return err == nil && again != pid
	})
	if !strings.Contains(h.Stderr.String(), "did not answer for 300ms after a call had taken too long") {
		t.Error("the reason is not told")
	}
}

// signalTool signals the tool.
func (h *host) signalTool(s syscall.Signal) {
	h.T.Helper()
	for _, pid := range h.children() {
		n := 0
		for _, c := range pid {
			n = n*10 + int(c-'0')
		}
		check(h.T, syscall.Kill(n, s))
	}
}

// A tool that does not start is an error of initialize, at once or in its time, and not tried without a pause.
func TestToolsThatDoNotStart(t *testing.T) {
	for name, c := range map[string]struct {
		change func(h *host)
		want   string
	}{
		"missing": {func(h *host) { h.config.Tool.Command = []string{"/nonexistent/server"} }, "no such file or directory"},
		"folder":  {func(h *host) { h.config.Tool.Command = []string{"/etc"} }, "permission denied"},
		"exits":   {func(h *host) { h.mode(toolstub.Exits) }, "the tool has ended (exit status 3), before it was ready"},
		"mute":    {func(h *host) { h.mode(toolstub.Mute) }, "was not ready within 2s"},
		"version": {func(h *host) { h.mode(toolstub.Version) }, `speaks version "1999-12-31"`},
		"shut":    {func(h *host) { h.mode(toolstub.Shutting) }, "has closed its output, before it was ready"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, c.change, func(t *testing.T, h *host, transport string) {
				h.Cmd.Process.Kill()
				h.Cmd.Wait()
				h.start("--ready", "2s")
				_, err := h.try(transport, "lead", nil)
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v", err)
				}
				if name == "exits" {
					h.pauses(transport)
				}
			})
		})
	}
}

// pauses tries until it is told to wait, and then once more.
func (h *host) pauses(transport string) {
	h.T.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		_, err := h.try(transport, "lead", nil)
		if err != nil && strings.Contains(err.Error(), "times in a row; it is tried again in ") {
			return
		}
	}
	h.T.Error("it is started again and again")
}

func (h *host) mode(mode string) { h.config.Tool.Env[toolstub.Variable] = mode }

func TestNoisyTool(t *testing.T) {
	each(t, func(h *host) { h.mode(toolstub.Noisy) }, func(t *testing.T, h *host, transport string) {
		mustCall(t, h.connect(transport, "lead", nil), "echo", nil)
		eventually(t, "its words are not in the log", func() bool {
			return strings.Contains(h.Stderr.String(), `"stdout":"Server listening on stdio"`)
		})
	})
}

// A tool that never gets ready does not hold the sidecar's end up.
func TestEndWhileStarting(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead")
	h.mode(toolstub.Mute)
	h.start("--drain", "100ms")
	failed := make(chan error)
	go func() {
		_, err := h.try("http", "lead", nil)
		failed <- err
	}()
	eventually(t, "the tool is not started", func() bool { return len(h.children()) > 0 })
	began := time.Now()
	h.Cmd.Process.Signal(syscall.SIGTERM)
	if code := h.Exit(); code != 0 || time.Since(began) > 10*time.Second {
		t.Errorf("exit %d after %s", code, time.Since(began))
	}
	if err := <-failed; err == nil {
		t.Error("a session has begun")
	}
}

// The tool ends with the sidecar, however that ends, and so do its own children.
func TestToolsEndWithTheSidecar(t *testing.T) {
	for name, end := range map[string]func(h *host){
		"SIGTERM": func(h *host) { h.Cmd.Process.Signal(syscall.SIGTERM) },
		"SIGKILL": func(h *host) { h.Cmd.Process.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, "lead")
			h.mode(toolstub.Stays)
			h.start()
			pid := mustCall(t, h.connect("stdio", "lead", nil), "pid", nil)
			end(h)
			h.Cmd.Wait()
			eventually(t, "the tool lives on", func() bool {
				_, err := os.Stat("/proc/" + pid)
				return os.IsNotExist(err)
			})
		})
	}
}
