//go:build machine

package jobs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/schemas/session"
	"fleet/schemas/status"
)

// never is a time that no test reaches.
const never = `calendar: '2099-01-01'`

// patience is for what happens on a busy host.
const patience = 2 * time.Minute

// host is a machine whose agents have jobs.
type host struct {
	*e2e.Host
	t testing.TB
}

func boot(t *testing.T) *host {
	t.Helper()
	return &host{e2e.New(t, machinetest.Options{}), t}
}

func (h *host) on(t testing.TB) *host { return &host{h.Host.On(t), t} }

// fleet runs the tool and wants an exit status.
func (h *host) fleet(want int, args ...string) string {
	h.t.Helper()
	exit, out, errOut := h.Fleet(args...)
	if exit != want {
		h.t.Fatalf("fleet %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), exit, want, errOut, out)
	}
	return out + errOut
}

// has fails where a text lacks something.
func (h *host) has(text string, wants ...string) {
	h.t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			h.t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

// records are those of an agent, the oldest first.
func (h *host) records(key string) []session.Record {
	h.t.Helper()
	out, _ := h.Try("cat", "/var/lib/fleet/demo/records/"+key+"/sessions.jsonl") // there may be none yet
	return session.All([]byte(out))
}

// runs are the records of a job, the oldest first.
func (h *host) runs(key, name string) (out []session.Record) {
	h.t.Helper()
	for _, r := range h.records(key) {
		if r.Job == name {
			out = append(out, r)
		}
	}
	return out
}

func results(records []session.Record) (out []string) {
	for _, r := range records {
		out = append(out, r.Result)
	}
	return out
}

// wait waits until a job has so many records, and returns them.
func (h *host) wait(key, name string, n int) (all []session.Record) {
	h.t.Helper()
	h.Eventually(fmt.Sprintf("%d runs of %s", n, name), patience, func() error {
		if all = h.runs(key, name); len(all) < n {
			return fmt.Errorf("there are %v", results(all))
		}
		return nil
	})
	return all
}

// begun waits until a file of an agent's home is there.
func (h *host) begun(key, name string) {
	h.t.Helper()
	path := "/home/demo-" + key + "/" + name
	h.Eventually(path, patience, func() error {
		if _, exit := h.Try("test", "-e", path); exit != 0 {
			return fmt.Errorf("it is not there")
		}
		return nil
	})
}

// job is what `fleet jobs` tells of one.
func (h *host) job(key, name string) status.Job {
	h.t.Helper()
	exit, out, errOut := h.Fleet("jobs", key, "--json")
	var all []status.Job
	if err := json.Unmarshal([]byte(out), &all); err != nil || exit != 0 {
		h.t.Fatalf("fleet jobs: exit status %d, %v\n%s%s", exit, err, errOut, out)
	}
	for _, j := range all {
		if j.Name == name {
			return j
		}
	}
	h.t.Fatalf("no job %s in %s", name, out)
	return status.Job{}
}

func service(key, name string) string { return "fleet-demo-" + key + "-job-" + name + ".service" }
