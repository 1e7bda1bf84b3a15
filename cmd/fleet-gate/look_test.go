package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/schemas/egress"
)

// The watchdog, a shell script, gets words that a shell may read, whatever lies where gates write.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	run, state := filepath.Join(dir, "run"), filepath.Join(dir, "state")
	hash := strings.Repeat("0a", 32)
	serve := func(key, mode string) {
		sock := filepath.Join(run, "egress/gate", key, "control")
		check(t, os.MkdirAll(filepath.Dir(sock), 0o700))
		l, err := net.Listen("unix", sock)
		check(t, err)
		s := egress.Status{
			Version: 1, Project: "demo", Agent: key, Mode: mode, Policy: hash, Open: 3, Day: egress.Tally{Allowed: 5, Denied: 2, Reported: 1, Misplaced: 3},
			Total: egress.Tally{Denied: 9, Misplaced: 4}, Mute: key == "mute", Bypass: &egress.Bypass{Seconds: 12, Reason: "x", By: "y"},
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(s) })}
		go server.Serve(l)
		t.Cleanup(func() { server.Close() })
	}
	serve("a", "enforce")
	serve("odd", "x; rm -rf /")
	serve("mute", "enforce")
	keep := func(key string, text []byte) {
		check(t, os.MkdirAll(filepath.Join(state, "egress/gate", key), 0o700))
		check(t, os.WriteFile(filepath.Join(state, "egress/gate", key, "counts"), text, 0o600))
	}
	now := time.Now().UTC().Truncate(time.Hour)
	counts, err := egress.Encode(&egress.Counts{
		Version: 1, Since: now, Total: egress.Tally{Allowed: 7, Denied: 4, Misplaced: 2}, Hours: []egress.Hour{{Start: now, Tally: egress.Tally{Allowed: 6, Denied: 1}}},
	})
	check(t, err)
	keep("b", counts)
	keep("bad", []byte("$(reboot)"))
	check(t, os.MkdirAll(filepath.Join(state, "egress/gate/link"), 0o700))
	check(t, os.Symlink(filepath.Join(state, "egress/gate/b/counts"), filepath.Join(state, "egress/gate/link/counts")))
	var out bytes.Buffer
	if code := runLook([]string{run, state, "a", "b", "bad", "link", "mute", "none", "odd"}, &out, &out); code != 0 {
		t.Fatal(code)
	}
	want := "a active 6 2 1 9 3 enforce " + hash + " 12 4 3\nb idle 6 1 0 4 0 - - 0 2 0\nbad idle 0 0 0 0 0 - - 0 0 0\nlink idle 0 0 0 0 0 - - 0 0 0\n" +
		"mute mute 6 2 1 9 3 enforce " + hash + " 12 4 3\n" +
		"none idle 0 0 0 0 0 - - 0 0 0\nodd active 6 2 1 9 3 - " + hash + " 12 4 3\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if code := runLook(nil, &out, &out); code != 2 {
		t.Errorf("without folders: %d", code)
	}
}
