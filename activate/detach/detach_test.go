package detach

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

func request(t *testing.T) Dir {
	t.Helper()
	d, err := New(t.TempDir(), Request{Project: "demo", Kind: Switch, Number: 3})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRequestComesBack(t *testing.T) {
	root := t.TempDir()
	d, err := New(root, Request{Project: "demo", Kind: Rollback, Number: 3, Confirm: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	same, err := Open(root, "demo", d.Nonce())
	if err != nil {
		t.Fatal(err)
	}
	r, err := same.Request()
	if err != nil || r.Kind != Rollback || r.Number != 3 || r.Confirm != time.Minute {
		t.Errorf("request %+v, %v", r, err)
	}
	if _, err := Open(root, "demo", "../../x"); err == nil {
		t.Error("a name that leaves the folder is taken")
	}
}

func TestOnlyAWaitingSwitchIsConfirmedAndOnlyOnce(t *testing.T) {
	d := request(t)
	if d.Confirm() == nil || d.Confirmed() {
		t.Error("an early confirmation is taken")
	}
	if err := d.Await(true); err != nil {
		t.Fatal(err)
	}
	if err := d.Confirm(); err != nil || !d.Confirmed() {
		t.Errorf("confirm: %v", err)
	}
	if d.Confirm() == nil {
		t.Error("a second confirmation is taken")
	}
	late := request(t)
	if err := errors.Join(late.Await(true), late.Await(false)); err != nil {
		t.Fatal(err)
	}
	if late.Confirm() == nil {
		t.Error("a late confirmation is taken")
	}
}

func TestFollow(t *testing.T) {
	d := request(t)
	if err := os.WriteFile(d.Progress(), []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Finish(Result{Status: 5, Message: "reverted"}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r, err := Follow(context.Background(), d, &out, func() bool { return false })
	if err != nil || r.Status != 5 || out.String() != "one\ntwo\n" {
		t.Errorf("result %+v, %v, progress %q", r, err, out.String())
	}
	dead := request(t)
	if _, err := Follow(context.Background(), dead, &out, func() bool { return false }); !errors.Is(err, ErrDied) {
		t.Errorf("a dead switch: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Follow(ctx, dead, &out, func() bool { return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that leaves: %v", err)
	}
}
