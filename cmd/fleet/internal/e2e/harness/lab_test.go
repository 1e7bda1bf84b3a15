//go:build machine

package harness

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine"
	"fleet/activate/machine/machinetest"
	"fleet/cmd/fleet/internal/e2e"
	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/cmd/fleet/internal/standin"
	"fleet/schemas/session"
)

// values are what the vault holds.
var values = map[string]string{
	"ANTHROPIC_API_KEY":       "sk-ant-api03-" + rand.Text() + rand.Text() + rand.Text(),
	"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-" + rand.Text() + rand.Text() + rand.Text(),
	"OPENAI_API_KEY":          "sk-proj-" + rand.Text() + rand.Text(),
	"AWS_SECRET_ACCESS_KEY":   rand.Text() + "/" + rand.Text()[:13],
	"BEDROCK_KEY":             "ABSK" + rand.Text() + rand.Text(),
	"VERTEX_TOKEN":            "ya29." + rand.Text() + rand.Text(),
	"VERTEX_KEY":              "AQ." + rand.Text() + rand.Text(),
	"COMPANY_TOKEN":           "sk-" + rand.Text() + rand.Text(),
	"COMPANY_KEY":             rand.Text() + rand.Text(),
	"GEMINI_API_KEY":          "AIza" + rand.Text() + rand.Text()[:9],
}

// lab is a machine with all harnesses, in which the hosts of their vendors are stand-ins.
type lab struct {
	*e2e.Host
	t   testing.TB
	net *origins.Net
}

func newLab(t testing.TB, harnesses ...string) *lab {
	t.Helper()
	o := machine.Options{Files: []machine.File{origins.File(), {Outside: "/proc/self/exe", Inside: "/usr/local/bin/" + program}}}
	var installed []e2e.Harness
	for _, name := range harnesses {
		h := e2e.Installed(t, name)
		installed = append(installed, h)
		o.Binds = append(o.Binds, h.Bind())
	}
	l := &lab{Host: e2e.New(t, machinetest.Options{Options: o}), t: t}
	for _, h := range installed {
		l.MustRun(h.Link()...)
	}
	l.net = origins.Start(t, l.M)
	var names []string
	for _, h := range hosts() {
		names = append(names, h.Name)
	}
	l.net.Public(names...)
	return l
}

// on returns the lab for a subtest.
func (l *lab) on(t testing.TB) *lab { return &lab{Host: l.On(t), t: t, net: l.net.On(t)} }

// run switches the machine to a fleet, with its secrets in the vault, and forgets what was seen before.
func (l *lab) run(spec string) {
	l.t.Helper()
	l.Sh("rm -f " + seenFile)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.Contains(spec, name) {
			l.WriteFile("/root/value", values[name], 0o600)
			l.Sh("fleet secret set " + name + " --project demo --from-file /root/value; shred -u /root/value")
		}
	}
	l.Switch(l.Build(e2e.Spec(origins.Spec, spec)), "--now")
}

// requests are those that the stand-ins have seen.
func (l *lab) requests() []standin.Request {
	l.t.Helper()
	var out []standin.Request
	text, _ := l.Try("cat", seenFile)
	for line := range strings.Lines(text) {
		var r standin.Request
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			l.t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// record waits until an agent has n records and returns the last one of those.
func (l *lab) record(key string, n int) session.Record {
	l.t.Helper()
	var got []session.Record
	l.Eventually(fmt.Sprintf("record %d of agent %s", n, key), 5*time.Minute, func() error {
		text, _ := l.Try("cat", "/var/lib/fleet/"+e2e.Project+"/records/"+key+"/"+session.RecordsFile)
		if got = session.All([]byte(text)); len(got) < n {
			return fmt.Errorf("there are %d", len(got))
		}
		return nil
	})
	return got[n-1]
}

func (l *lab) transcript(key string, n int) string {
	out, _ := l.Try("cat", fmt.Sprintf("/var/lib/fleet/%s/records/%s/sessions/%d.log", e2e.Project, key, n))
	return out
}
