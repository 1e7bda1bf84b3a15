package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/activate/boottime"
	"fleet/schemas/egress"
	"fleet/schemas/policy"
)

// switched are the flags for the switches of a host.
func (h *host) switched() []string {
	return []string{"--cut", h.Dir + "/cut", "--bypass", h.Dir + "/bypass", "--control", h.Dir + "/control"}
}

func (h *host) reload(status string) {
	h.T.Helper()
	h.Cmd.Process.Signal(syscall.SIGHUP)
	h.Said("READY=1", "STATUS="+status)
}

// ask asks the control socket.
func (h *host) ask(path string) string {
	h.T.Helper()
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", h.Dir+"/control")
		},
	}}
	r, err := c.Get("http://gate" + path)
	check(h.T, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	check(h.T, err)
	return string(b)
}

func (h *host) status() *egress.Status {
	h.T.Helper()
	s, err := egress.ParseStatus([]byte(h.ask(egress.StatusPath)))
	check(h.T, err)
	return s
}

const normal = "mode enforce, 2 rules allow, 0 deny"

// ended waits until the other side has closed.
func ended(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(2 * time.Second))
	_, err := io.Copy(io.Discard, c)
	return err == nil || !os.IsTimeout(err)
}

// EGR-H2: a cut ends within a second what is open, whatever it is at, and refuses all that comes, also after a restart,
// until it is taken back.
func TestH2Cut(t *testing.T) {
	h := newHost(t)
	h.start(h.switched()...)
	target := h.origin.Addr().String()
	tunnel, r, _ := h.connect(target)
	echo(t, tunnel, r)
	dial := func(text string) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", h.ports[1]))
		check(t, err)
		t.Cleanup(func() { c.Close() })
		io.WriteString(c, text)
		return c
	}
	kept := dial("GET http://gate.fleet.internal/ HTTP/1.1\r\nHost: x\r\n\r\n") // keep-alive, waits for another request
	if resp, err := http.ReadResponse(bufio.NewReader(kept), nil); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	half := dial("GET http://gate.fleet") // in the middle of a head
	time.Sleep(50 * time.Millisecond)

	check(t, os.WriteFile(h.Dir+"/cut", []byte("why\n"), 0o644))
	began := time.Now()
	h.reload("cut off by the operator; " + normal)
	for what, c := range map[string]net.Conn{"tunnel": tunnel, "kept": kept, "half": half} {
		if !ended(c) || time.Since(began) > time.Second {
			t.Errorf("%s: still open after %s", what, time.Since(began))
		}
	}
	refused := func() {
		t.Helper()
		_, r, code := h.connect(target)
		b, _ := r.Peek(r.Buffered())
		if code != 403 || !strings.Contains(string(b), "fleet egress restore lead ") || h.status().Cut != true {
			t.Errorf("status %d, %q", code, b)
		}
		if _, _, code := h.connect(policy.SelfName + ":80"); code != 200 {
			t.Errorf("the gate's own name: %d", code)
		}
		if a := h.lookup(); strings.HasPrefix(a, "127.64.") {
			t.Errorf("a name is answered: %s", a)
		}
	}
	refused()
	h.Cmd.Process.Kill()
	h.Cmd.Wait()
	h.run(h.switched()...)
	h.Said("READY=1", "STATUS=cut off by the operator; "+normal)
	refused()
	os.WriteFile(h.Dir+"/egress.json", []byte("{"), 0o644) // a policy that cannot be read keeps no cut from its end
	os.Remove(h.Dir + "/cut")
	h.reload("policy cannot be read, the one before stays in force")
	c, r, code := h.connect(target)
	if code != 200 || h.status().Cut {
		t.Errorf("restored: status %d", code)
	}
	echo(t, c, r)
	if s := h.status(); !strings.Contains(s.Error, "must be JSON") {
		t.Errorf("error %q", s.Error)
	}
}

// bypass writes one that ends after d.
func (h *host) bypass(d time.Duration, change func(*policy.Bypass)) {
	h.T.Helper()
	boot, err := boottime.ID()
	check(h.T, err)
	b := policy.Bypass{Version: 1, Until: int64(boottime.Now() + d), BootID: boot, Reason: "npm is down", By: "ann"}
	if change != nil {
		change(&b)
	}
	text, err := policy.EncodeBypass(&b)
	check(h.T, err)
	check(h.T, os.WriteFile(h.Dir+"/bypass", text, 0o644))
}

// EGR-E24: a bypass allows what no rule does, records it as such, outlives the gate, and ends by itself, connections with
// it.
func TestE24Bypass(t *testing.T) {
	h := newHost(t)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "begun\n")
		w.(http.Flusher).Flush()
		if r.URL.Path == "/endless" {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(web.Close)
	h.policy.Allow[0].Protocol, h.policy.Allow[0].Paths = policy.HTTP, []string{"/listed"}
	h.policy.Allow[0].Ports = []int{web.Listener.Addr().(*net.TCPAddr).Port}
	h.write()
	get := func(path string) (net.Conn, *http.Response) {
		t.Helper()
		c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", h.ports[1]))
		check(t, err)
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "GET %s%s HTTP/1.1\r\nConnection: close\r\nHost: x\r\n\r\n", web.URL, path)
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		check(t, err)
		return c, r
	}
	h.start(h.switched()...)
	if _, r := get("/other"); r.StatusCode != 403 || h.record("FLEET_REASON") != policy.ReasonPath {
		t.Fatal(r.Status)
	}
	h.bypass(2*time.Second, nil)
	h.reload("a bypass runs; " + normal)
	s := h.status()
	if s.Bypass == nil || s.Bypass.Reason != "npm is down" || s.Bypass.By != "ann" || s.Bypass.Seconds < 1 || s.Bypass.Seconds > 2 {
		t.Errorf("got %+v", s.Bypass)
	}
	if _, r := get("/other"); r.StatusCode != 200 || h.record("FLEET_VERDICT") != "bypassed" {
		t.Errorf("bypassed: %s", r.Status)
	}
	if _, _, code := h.connect("169.254.169.254:80"); code != 403 {
		t.Errorf("metadata: status %d", code)
	}
	h.Cmd.Process.Kill()
	h.Cmd.Wait()
	h.run(h.switched()...)
	h.Said("READY=1", "STATUS=a bypass runs; "+normal)
	c, r := get("/endless")
	if r.StatusCode != 200 {
		t.Fatal(r.Status)
	}
	h.Said("STATUS=" + normal) // at its end
	if !ended(c) {
		t.Error("what a bypass allowed goes on after its end")
	}
	if _, r := get("/other"); r.StatusCode != 403 || h.status().Bypass != nil {
		t.Errorf("after its end: %s", r.Status)
	}
	if _, r := get("/listed"); r.StatusCode != 200 {
		t.Errorf("listed: %s", r.Status)
	}
}

// EGR-E24: what is no bypass.
func TestE24BypassIgnored(t *testing.T) {
	h := newHost(t)
	h.start(h.switched()...)
	for name, write := range map[string]func(){
		"over":     func() { h.bypass(-time.Second, nil) },
		"too long": func() { h.bypass(time.Hour+time.Minute, nil) },
		"other boot": func() {
			h.bypass(time.Minute, func(b *policy.Bypass) { b.BootID = "0f8fad5b-d9cb-469f-a165-70867728950e" })
		},
		"malformed": func() { os.WriteFile(h.Dir+"/bypass", []byte("{}"), 0o644) },
		"a link": func() {
			h.bypass(time.Minute, nil)
			os.Rename(h.Dir+"/bypass", h.Dir+"/other")
			os.Symlink("other", h.Dir+"/bypass")
		},
		"a pipe": func() { syscall.Mkfifo(h.Dir+"/bypass", 0o644) },
	} {
		os.Remove(h.Dir + "/bypass")
		write()
		h.reload(normal)
		if h.status().Bypass != nil {
			t.Errorf("%s: in force", name)
		}
		if _, _, code := h.connect("other.example:443"); code != 403 {
			t.Errorf("%s: status %d", name, code)
		}
	}
	h.complained("the bypass is over")
	if n := strings.Count(h.Stderr.String(), "the bypass is not in force"); n != 5 {
		t.Errorf("%d lines: %s", n, h.Stderr.String())
	}
}

// What a gate tells of itself, and what is left of it after an end and after a kill.
func TestStatusAndCounts(t *testing.T) {
	h := newHost(t)
	h.start(h.switched()...)
	c, r, _ := h.connect(h.origin.Addr().String())
	echo(t, c, r)
	denied, _, _ := h.connect("other.example:443")
	self, _, _ := h.connect(policy.SelfName + ":443")
	want := egress.Tally{Allowed: 1, Denied: 1}
	s := h.status()
	if s.Day != want || s.Total != want || s.Open < 1 || s.Mode != policy.Enforce || s.Agent != "lead" || s.Error != "" || len(s.Policy) != 64 {
		t.Errorf("got %+v", s)
	}
	text := h.ask(egress.MetricsPath)
	for _, want := range []string{
		`decisions_total{project="demo",agent="lead",verdict="deny",reason="host-not-listed"} 1`, `allowed_total{project="demo",agent="lead",rule="one"} 1`,
		`dial_seconds_count{project="demo",agent="lead"} 1`, `self_total{project="demo",agent="lead"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	for _, c := range []net.Conn{c, denied, self} {
		c.Close()
	}
	h.Cmd.Process.Signal(syscall.SIGTERM)
	if code := h.Exit(); code != 0 {
		t.Fatalf("exit %d: %s", code, h.Stderr.String())
	}
	b, err := os.ReadFile(h.Dir + "/" + egress.CountsFile)
	check(t, err)
	counts, err := egress.ParseCounts(b)
	if err != nil || counts.Total != want {
		t.Errorf("%v, %v", counts, err)
	}
	h.start(h.switched()...)
	if s := h.status(); s.Total != want {
		t.Errorf("after a restart: %+v", s)
	}
	h.Cmd.Process.Kill()
	h.Cmd.Wait()
	check(t, os.WriteFile(h.Dir+"/"+egress.CountsFile, []byte("{"), 0o600))
	h.start(h.switched()...)
	if s := h.status(); s.Total != (egress.Tally{}) {
		t.Errorf("with a bad file: %+v", s)
	}
	h.complained("set aside")
}

// EGR-J6: a day's limit outlives the gate.
func TestJ6Kept(t *testing.T) {
	h := newHost(t)
	h.policy.Allow[0].Limits = &policy.Limits{RequestsPerDay: 2, BytesUpPerDay: 1000}
	h.write()
	h.start()
	c, r, code := h.connect(h.origin.Addr().String())
	if code != 200 {
		t.Fatalf("status %d", code)
	}
	echo(t, c, r)
	c.Close()
	h.Cmd.Process.Signal(syscall.SIGTERM)
	h.Exit()
	h.start()
	c, _, _ = h.connect(h.origin.Addr().String())
	c.Write(make([]byte, 2000))
	if !ended(c) {
		t.Error("more bytes than a day's go on")
	}
	if _, _, code := h.connect(h.origin.Addr().String()); code != 403 {
		t.Errorf("the third: status %d", code)
	}
	for want := "budget"; h.record("FLEET_RESULT") != want; { // ends the test when there is none
	}
}
