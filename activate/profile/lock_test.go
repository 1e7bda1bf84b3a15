package profile_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/schemas/state"
)

// B17: the second one learns at once who holds the lock.
func TestLockB17NamesHolder(t *testing.T) {
	h := newHost(t)
	p := h.profile(system.Real{})
	l, err := p.Lock(profile.Holder{PID: 4711, What: "switch", Target: "3fa9c1d2"})
	h.must(err)
	_, err = p.Lock(profile.Holder{PID: 1, What: "gc"})
	var busy *profile.Busy
	if !errors.As(err, &busy) || !strings.Contains(err.Error(), "process 4711, which does a switch to 3fa9c1d2") {
		t.Errorf("got %v", err)
	}
	h.must(l.Release())
	l, err = p.Lock(profile.Holder{PID: 1, What: "gc"})
	h.must(err)
	h.must(l.Release())
}

// The revert script takes the same lock with flock(1).
func TestLockIsFlock(t *testing.T) {
	h := newHost(t)
	p := h.profile(system.Real{})
	l, err := p.Lock(profile.Holder{PID: 1, What: "switch"})
	h.must(err)
	if exec.Command("flock", "-n", p.LockFile(), "true").Run() == nil {
		t.Error("flock(1) got a held lock")
	}
	h.must(l.Release())
	h.must(exec.Command("flock", "-n", p.LockFile(), "true").Run())
}

func TestLockStoreWaits(t *testing.T) {
	h := newHost(t)
	h.must(os.MkdirAll(h.root+"/run/fleet", 0o755))
	p := h.profile(system.Real{})
	l, err := p.LockStore(context.Background(), profile.Holder{PID: 7, What: "gc"})
	h.must(err)
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Millisecond)
	defer cancel()
	var busy *profile.Busy
	if _, err := p.LockStore(ctx, profile.Holder{}); !errors.As(err, &busy) || busy.Holder.PID != 7 {
		t.Errorf("got %v", err)
	}
	time.AfterFunc(100*time.Millisecond, func() { l.Release() })
	l2, err := p.LockStore(context.Background(), profile.Holder{})
	h.must(err)
	h.must(l2.Release())
}

func TestStateBackup(t *testing.T) {
	h := newHost(t)
	p := h.profile(system.Real{})
	h.must(p.Prepare())
	st, err := p.LoadState()
	h.must(err)
	for range 3 {
		st.Add(st.Next(nil), "")
		h.must(p.SaveState(st))
	}
	h.must(os.WriteFile(p.StateFile(), []byte("{"), 0o600))
	st, err = p.LoadState()
	h.must(err)
	if st.Last != 2 {
		t.Errorf("backup holds %d", st.Last)
	}
	st.Next(nil)
	st.Next(nil)
	h.must(p.SaveState(st))
	h.must(os.WriteFile(p.StateFile(), nil, 0o600))
	if st, err = p.LoadState(); err != nil || st.Last != 2 {
		t.Errorf("a damaged record took the backup's place: %v, %v", st, err)
	}
	h.must(os.WriteFile(p.StateFile()+".bak", nil, 0o600))
	if _, err = p.LoadState(); err == nil {
		t.Error("two damaged records gave an empty history")
	}
}

func TestTxn(t *testing.T) {
	h := newHost(t)
	p := h.profile(system.Real{})
	h.must(p.Prepare())
	x := &state.Txn{Version: 1, Project: "demo", Nonce: "0123456789abcdef", Action: "switch", Phase: "P5", From: 1, To: 2}
	h.must(p.SaveTxn(x))
	h.must(os.WriteFile(p.Txn()+"/ffff.json", []byte("{"), 0o600))
	got, err := p.Unfinished()
	h.must(err)
	if len(got) != 2 || got[0].Txn == nil || got[0].Txn.To != 2 || got[0].Reverted || got[1].Err == nil {
		t.Fatalf("%+v", got)
	}
	h.must(os.WriteFile(p.TxnResult(x.Nonce), []byte("reverted\n"), 0o600))
	if got, err = p.Unfinished(); err != nil || !got[0].Reverted {
		t.Errorf("%+v, %v", got, err)
	}
	h.must(os.WriteFile(p.TxnResult(x.Nonce), []byte("reverted\nfailed a.service b.service \nfailed c.service\n"), 0o600))
	if got, err = p.Unfinished(); err != nil || !slices.Equal(got[0].Failed, []string{"a.service", "c.service"}) {
		t.Errorf("%+v, %v", got, err)
	}
	h.must(p.RemoveTxn(x.Nonce))
	h.must(p.RemoveTxn("ffff"))
	if got, err = p.Unfinished(); err != nil || got != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// What a killed run left of a record that was never whole goes, and what belongs to a record stays.
func TestSweepTxn(t *testing.T) {
	h := newHost(t)
	p := h.profile(system.Real{})
	h.must(p.SweepTxn()) // no folder yet
	h.must(p.Prepare())
	x := &state.Txn{Version: 1, Project: "demo", Nonce: "0123456789abcdef", Action: "switch", Phase: "P5", From: 1, To: 2}
	h.must(p.SaveTxn(x))
	stray := []string{".0123456789abcdef.json.new", "ffff.lines", ".ffff.lines.new", "ffff.result", "eeee.result.new"}
	for _, name := range stray {
		h.must(os.WriteFile(filepath.Join(p.Txn(), name), nil, 0o600))
	}
	h.must(p.SweepTxn())
	want := []string{".0123456789abcdef.json.new", "0123456789abcdef.json", "0123456789abcdef.lines"}
	if got := h.names("var/lib/fleet/demo/txn"); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	h.must(p.RemoveTxn(x.Nonce))
	if got := h.names("var/lib/fleet/demo/txn"); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// The move of `boot` to the wanted generation is the commit point; where it named it before, the result says so.
func TestCommit(t *testing.T) {
	h := newHost(t)
	h.imported("a")
	h.imported("b")
	p := h.profile(system.Real{})
	for _, c := range []struct{ boot, to int }{{0, 1}, {1, 2}, {2, 2}} {
		x := &state.Txn{Version: 1, Project: "demo", Nonce: "0123456789abcdef", Action: "switch", Phase: "P12", From: 1, To: c.to, Boot: c.boot}
		h.must(p.SaveTxn(x))
		if u, err := p.Unfinished(); err != nil || u[0].Committed {
			t.Errorf("%+v before: %+v, %v", c, u, err)
		}
		h.must(p.Commit(x))
		if u, err := p.Unfinished(); err != nil || !u[0].Committed || u[0].Reverted {
			t.Errorf("%+v after: %+v, %v", c, u, err)
		}
		h.must(p.RemoveTxn(x.Nonce))
	}
}

func TestDrop(t *testing.T) {
	h := newHost(t)
	h.imported("a")
	h.imported("b")
	p := h.profile(system.Real{})
	h.must(p.Confirm(1))
	if err := p.Drop(1); err == nil {
		t.Error("the generation that boots was dropped")
	}
	h.must(p.Drop(2))
	if n := h.imported("b"); n != 3 {
		t.Errorf("number %d was given before", n)
	}
}
