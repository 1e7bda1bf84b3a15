package relay

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-sidecar/internal/calls"
	"fleet/cmd/fleet-sidecar/internal/scrub"
	"fleet/cmd/fleet-sidecar/internal/tool"
	"fleet/cmd/internal/spool/spooltest"
	"fleet/schemas/sidecar"
)

// fake is a server whose answers a test chooses.
type fake struct {
	list, result, info string
	err                error
	called             int
	panics             bool
}

func (f *fake) Info(context.Context) (tool.Info, error) {
	return tool.Info{ServerInfo: json.RawMessage(f.info)}, nil
}

func (f *fake) List(context.Context, string) (json.RawMessage, error) {
	return json.RawMessage(f.list), f.err
}

func (f *fake) Call(context.Context, string, json.RawMessage, tool.Progress) (json.RawMessage, error) {
	f.called++
	if f.panics {
		panic("a fault")
	}
	return json.RawMessage(f.result), f.err
}

func (f *fake) SetLevel(context.Context, string) error { return f.err }

type lab struct {
	*fake
	journal *spooltest.Journal
	relay   *Relay
	session *mcp.ClientSession
}

// newLab has a session of the agent lead with a fake server.
func newLab(t *testing.T, f *fake, c sidecar.Config) *lab {
	t.Helper()
	j := spooltest.Listen(t)
	c.Project, c.Name, c.Agents, c.MaxMessage = "demo", "fake", []sidecar.Agent{{Key: "lead"}}, 1<<20
	log := logrus.New()
	log.SetOutput(io.Discard)
	records, err := calls.Open(j.Path, j.Dir(), &c)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(&c, scrub.New([]scrub.Value{{Name: "KEY", Value: []byte("s3nary-value")}}), records, log)
	if err != nil {
		t.Fatal(err)
	}
	r.Serve(f)
	ours, theirs := mcp.NewInMemoryTransports()
	if _, err := r.Agent("lead").Server().Connect(t.Context(), ours, nil); err != nil {
		t.Fatal(err)
	}
	cs, err := mcp.NewClient(&mcp.Implementation{Name: "x"}, nil).Connect(t.Context(), theirs, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cs.Close() })
	return &lab{f, j, r, cs}
}

func (l *lab) call(t *testing.T) (string, error) {
	t.Helper()
	res, err := l.session.CallTool(t.Context(), &mcp.CallToolParams{Name: "x"})
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(res)
	return string(b), err
}

func TestListsThatMakeNoSense(t *testing.T) {
	for list, want := range map[string]string{
		`{}`:           "the tool's list cannot be read",
		`{"tools":{}}`: "the tool's list cannot be read",
		`{"tools":[1,null,{},{"name":5},{"Name":"x"},{"name":"drop"},{"name":"x","inputSchema":{"type":"object"}}]}`: "x",
		`{"tools":[{"name":"x","inputSchema":{"type":"object"},"description":"s3nary-value"}],"nextCursor":"n"}`:     "x[secret KEY]n",
	} {
		l := newLab(t, &fake{list: list}, sidecar.Config{DenyTools: []string{"drop"}})
		res, err := l.session.ListTools(t.Context(), nil)
		got := ""
		if err == nil {
			for _, tool := range res.Tools {
				got += tool.Name + tool.Description
			}
			got += res.NextCursor
		}
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && got != want {
			t.Errorf("%s: %q, %v", list, got, err)
		}
	}
}

// A fault of ours is an error of this call, and nothing of it reaches the agent.
func TestPanic(t *testing.T) {
	l := newLab(t, &fake{panics: true}, sidecar.Config{})
	_, err := l.call(t)
	if err == nil || !strings.Contains(err.Error(), "the sidecar has a fault") || strings.Contains(err.Error(), "relay_test") {
		t.Errorf("got %v", err)
	}
	l.panics, l.result = false, `{"content":[{"type":"text","text":"ok"}]}`
	if _, err := l.call(t); err != nil {
		t.Error(err)
	}
}

// What cannot be recorded is not called.
func TestNoRecordNoCall(t *testing.T) {
	l := newLab(t, &fake{result: `{"content":[]}`}, sidecar.Config{})
	l.journal.Close()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		before := l.called
		if _, err := l.call(t); err != nil {
			if !strings.Contains(err.Error(), "the call cannot be recorded, so that it is not made") || l.called != before {
				t.Errorf("called %d, then %d: %v", before, l.called, err)
			}
			return
		}
		if time.Now().After(end) {
			t.Fatal("calls without a journal")
		}
	}
}

// What a server logs goes to the one agent there is, and to none where there are more.
func TestLogged(t *testing.T) {
	l := newLab(t, &fake{}, sidecar.Config{})
	for params, want := range map[string]bool{
		`{"level":"info","data":"x"}`: true, `{"level":"loud","data":"x"}`: false, `{"level":"info","data":`: false, `null`: false,
	} {
		if got := l.relay.logged(json.RawMessage(params)) != nil; got != want {
			t.Errorf("%s: %t", params, got)
		}
	}
	l.relay.config.Agents = append(l.relay.config.Agents, sidecar.Agent{Key: "worker"})
	if l.relay.logged(json.RawMessage(`{"level":"info","data":"x"}`)) != nil {
		t.Error("an agent hears of another's calls")
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("dial s3nary-value: refused"), "dial [secret KEY]: refused"},
		{&tool.Error{Result: sidecar.ResultTimeout}, ""},
	} {
		l := newLab(t, &fake{err: c.err}, sidecar.Config{})
		if _, err := l.call(t); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3nary") {
			t.Errorf("%v: got %v", c.err, err)
		}
	}
}
