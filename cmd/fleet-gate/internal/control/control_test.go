package control_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-gate/internal/control"
	"fleet/schemas/egress"
)

func get(t *testing.T, path, url string) (*http.Response, string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
	r, err := c.Get("http://gate" + url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

func TestControl(t *testing.T) {
	path := t.TempDir() + "/control"
	os.WriteFile(path, nil, 0o600) // as a killed gate leaves it
	answers := control.Answers{
		Status: func() egress.Status {
			return egress.Status{Version: 1, Project: "demo", Policy: strings.Repeat("a", 64)}
		},
		Metrics: func(w io.Writer) error { _, err := io.WriteString(w, "x 1\n"); return err },
	}
	s, err := control.Listen(path, answers, logrus.New())
	if err != nil {
		t.Fatal(err)
	}
	if i, err := os.Lstat(path); err != nil || i.Mode() != os.ModeSocket|0o666 {
		t.Errorf("%v, %v", i.Mode(), err)
	}
	if r, b := get(t, path, egress.StatusPath); r.StatusCode != 200 {
		t.Errorf("%s: %s", r.Status, b)
	} else if got, err := egress.ParseStatus([]byte(b)); err != nil || got.Project != "demo" {
		t.Errorf("%v, %v", got, err)
	}
	if r, b := get(t, path, egress.MetricsPath); b != "x 1\n" || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("%v: %q", r.Header, b)
	}
	if r, _ := get(t, path, "/debug/pprof"); r.StatusCode != 404 {
		t.Errorf("%s", r.Status)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is still there")
	}
}
