package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

func TestPolicy(t *testing.T) {
	each(t, func(h *host) {
		h.config.Tools, h.config.DenyTools = []string{"echo", "environment", "pid"}, []string{"environment"}
		h.config.Arguments = map[string]json.RawMessage{
			"echo": json.RawMessage(`{"properties":{"owner":{"const":"acme"}},"required":["owner"],"additionalProperties":false}`),
		}
		h.config.CallsPerMinute = 3
		h.config.AuditArguments = true
	}, func(t *testing.T, h *host, transport string) {
		cs := h.connect(transport, "lead", nil)
		list, err := cs.ListTools(t.Context(), nil)
		check(t, err)
		var names []string
		for _, tool := range list.Tools {
			names = append(names, tool.Name)
		}
		if d := cmp.Diff([]string{"echo", "pid"}, names); d != "" {
			t.Error(d)
		}
		mustCall(t, cs, "echo", object{"owner": "acme"})
		fails(t, cs, "environment", nil, `tool "environment" is not offered here`)
		fails(t, cs, "crash", nil, `tool "crash" is not offered here`)
		fails(t, cs, "echo", object{"owner": "evil"}, "these arguments are not allowed here:\n- at '/owner'")
		// The tool never sees what another reader of the same text could.
		fails(t, cs, "echo", json.RawMessage(`{"owner":"evil","owner":"acme"}`), `key "owner" stands twice`)
		fails(t, cs, "pid", []int{1}, "arguments: must be an object")
		mustCall(t, cs, "pid", nil)
		mustCall(t, cs, "pid", nil)
		fails(t, cs, "pid", nil, "at most 3 calls a minute; the next is possible in ")
		_, err = call(cs, "pid", nil)
		var limited *jsonrpc.Error
		var data struct{ RetryAfterSeconds int }
		if !errors.As(err, &limited) || limited.Code != -32002 || json.Unmarshal(limited.Data, &data) != nil || data.RetryAfterSeconds < 50 {
			t.Errorf("got %v", err)
		}
		var got []string
		for range 10 {
			r := h.record()
			got = append(got, r["FLEET_TOOL"]+" "+r["FLEET_VERDICT"]+" "+r["FLEET_RESULT"]+r["FLEET_REASON"]+" "+r["FLEET_ARGUMENTS"])
		}
		want := []string{
			`echo allow ok {"owner":"acme"}`, `environment deny hidden {}`, `crash deny hidden {}`, `echo deny arguments {"owner":"evil"}`,
			`echo deny arguments `, `pid deny arguments `, `pid allow ok {}`, `pid allow ok {}`, `pid deny rate {}`, `pid deny rate {}`,
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

// Each agent has its own count, and its own name in the records; a shared tool's log, which may tell of another agent's
// calls, goes to nobody.
func TestShared(t *testing.T) {
	t.Parallel()
	h := newHost(t, "lead", "worker")
	h.config.CallsPerMinute = 2
	h.start()
	lead, worker := h.connect("http", "lead", nil), h.connect("stdio", "worker", nil)
	pid := mustCall(t, lead, "pid", nil)
	if got := mustCall(t, worker, "pid", nil); got != pid {
		t.Errorf("two tools: %s, %s", pid, got)
	}
	mustCall(t, lead, "log", object{"level": "error", "text": "of lead"})
	fails(t, lead, "pid", nil, "at most 2 calls a minute")
	mustCall(t, worker, "echo", nil)
	if caps := mustJSON(worker.InitializeResult().Capabilities); caps != `{"tools":{"listChanged":true}}` {
		t.Errorf("offers %s", caps)
	}
	seen := map[string]bool{}
	for range 5 {
		r := h.record()
		seen[r["FLEET_AGENT"]+r["FLEET_UID"]+" "+r["FLEET_TOOL"]+" "+r["FLEET_VERDICT"]] = true
		if r["FLEET_ARGUMENTS"] != "" || len(r["FLEET_DIGEST"]) != 64 || r["FLEET_SESSION"] == "" {
			t.Errorf("got %v", r)
		}
	}
	for _, want := range []string{"lead990 pid allow", "worker991 pid allow", "lead990 pid deny", "worker991 echo allow"} {
		if !seen[want] {
			t.Errorf("no %q in %v", want, seen)
		}
	}
}

// An agent that asks too much at once is refused, and others are served.
func TestTooMuchAtOnce(t *testing.T) {
	each(t, nil, func(t *testing.T, h *host, transport string) {
		cs := h.connect(transport, "lead", nil)
		errs := make(chan error)
		for range 50 {
			go func() {
				_, err := call(cs, "slow", object{"n": 1500})
				errs <- err
			}()
		}
		ok, busy := 0, 0
		for range 50 {
			switch err := <-errs; {
			case err == nil:
				ok++
			case strings.Contains(err.Error(), "32 calls are open"):
				busy++
			default:
				t.Errorf("got %v", err)
			}
		}
		if ok != 32 || busy != 18 {
			t.Errorf("%d answered, %d refused", ok, busy)
		}
		mustCall(t, cs, "echo", nil)
	})
}
