package calls

import (
	"fmt"
	"testing"
	"time"

	"fleet/cmd/internal/spool/spooltest"
	"fleet/schemas/sidecar"
)

var lead = sidecar.Agent{Key: "lead", UID: 990}

func open(t *testing.T, j *spooltest.Journal) *Log {
	t.Helper()
	l, err := Open(j.Path, j.Dir(), &sidecar.Config{Project: "demo", Name: "github"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestCall(t *testing.T) {
	j := spooltest.Listen(t)
	l := open(t, j)
	a := l.Agent(lead)
	quick, err := a.Begin(sidecar.Call{Tool: "create", Digest: "d", BytesUp: 2})
	if err != nil {
		t.Fatal(err)
	}
	quick.End(sidecar.ResultOK, 7)
	slow, err := a.Begin(sidecar.Call{Tool: "wait"})
	if err != nil {
		t.Fatal(err)
	}
	a.Refuse(sidecar.Call{Tool: "drop"}, sidecar.ReasonHidden)
	// A quick call may be one record or two, as the sending happens to fall.
	seen := map[string]int{}
	for range 4 {
		r := j.Next()
		if r == nil {
			break
		}
		seen[r["FLEET_TOOL"]+" "+r["FLEET_VERDICT"]+r["FLEET_RESULT"]+r["FLEET_REASON"]]++
		if r["FLEET_PROJECT"] != "demo" || r["FLEET_SIDECAR"] != "github" || r["FLEET_AGENT"] != "lead" || r["FLEET_UID"] != "990" {
			t.Errorf("got %v", r)
		}
	}
	if seen["create allowok"] != 1 || seen["wait allow"] != 1 || seen["drop denyhidden"] != 1 {
		t.Errorf("got %v", seen)
	}
	slow.End(sidecar.ResultTimeout, 0)
	if r := j.Next(); r["FLEET_EVENT"] != "ended" || r["FLEET_RESULT"] != "timeout" || r["FLEET_MICROS"] == "" {
		t.Errorf("got %v", r)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// Without a journal nothing is called after what came while that was found out, and no end is lost.
func TestNoJournal(t *testing.T) {
	j := spooltest.Listen(t)
	l := open(t, j)
	a := l.Agent(lead)
	before, err := a.Begin(sidecar.Call{Tool: "before"})
	if err != nil {
		t.Fatal(err)
	}
	j.Next()
	j.Close()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := a.Begin(sidecar.Call{Tool: "meanwhile"}); err != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("calls are allowed without a journal")
		}
	}
	before.End(sidecar.ResultOK, 1)
	a.Refuse(sidecar.Call{Tool: "drop"}, sidecar.ReasonHidden)
	j.Open()
	ended, refused := false, false
	for !ended || !refused {
		r := j.Next()
		if r == nil {
			t.Fatalf("ended %t, refused %t", ended, refused)
		}
		ended = ended || r["FLEET_TOOL"] == "before" && r["FLEET_EVENT"] == "ended"
		refused = refused || r["FLEET_EVENT"] == "repeated" && r["FLEET_COUNT"] == "1"
	}
}

// Every refusal counts, and a flood of them is few records.
func TestRefusals(t *testing.T) {
	j := spooltest.Listen(t)
	l := open(t, j)
	a := l.Agent(lead)
	const n = 5000
	for i := range n {
		a.Refuse(sidecar.Call{Tool: fmt.Sprint("tool", i)}, sidecar.ReasonHidden)
	}
	go func() {
		a.Close()
		l.Close()
	}()
	sum, records := 0, 0
	for sum < n {
		r := j.Next()
		if r == nil {
			break
		}
		count := 1
		if r["FLEET_EVENT"] == sidecar.Repeated {
			fmt.Sscan(r["FLEET_COUNT"], &count)
		}
		sum += count
		records++
	}
	if sum != n || records > refusalBurst+20 {
		t.Errorf("%d records stand for %d refusals", records, sum)
	}
}
