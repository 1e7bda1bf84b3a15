package access

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/manifest"
)

func with(change func(*manifest.Agent)) *manifest.Manifest {
	a := manifest.Agent{
		Key: "lead", User: "demo-lead", Enabled: true, Isolation: "namespace", Harness: "demo", PermissionMode: "plan",
		Limits: map[string]string{"memory": "1024", "cpu": "50%"},
	}
	change(&a)
	return &manifest.Manifest{Groups: []string{"ops"}, Agents: []manifest.Agent{a}}
}

func TestCompare(t *testing.T) {
	cases := []struct {
		name   string
		change func(*manifest.Agent)
		wider  string
		narrow string
	}{
		{"same", func(*manifest.Agent) {}, "", ""},
		{"isolation", func(a *manifest.Agent) { a.Isolation = "user" }, "isolation user instead of namespace", ""},
		{"sudo", func(a *manifest.Agent) { a.Sudo = []string{"/bin/id"} }, "may run as root: /bin/id", ""},
		{"mount", func(a *manifest.Agent) { a.Mounts = []string{"/srv /srv rw"} }, "sees the host's folder /srv (rw)", ""},
		{"mount elsewhere", func(a *manifest.Agent) { a.Mounts = []string{"/srv /data ro"} }, "sees the host's folder /srv /data (ro)", ""},
		{"unsafe", func(a *manifest.Agent) { a.Unsafe = []string{"PrivateNetwork=no"} }, "loosened: PrivateNetwork=no", ""},
		{"ports", func(a *manifest.Agent) { a.Ports = "2000-2001" }, "has loopback ports 2000-2001 instead of none", ""},
		{
			"permissions", func(a *manifest.Agent) { a.PermissionMode = "bypassPermissions" },
			"permission mode bypassPermissions instead of plan", "",
		},
		{"signing", func(a *manifest.Agent) { a.Signing = true }, "signs commits with a key of its own", ""},
		{"more memory", func(a *manifest.Agent) { a.Limits["memory"] = "2048" }, "limit of memory: 2048 instead of 1024", ""},
		{"less memory", func(a *manifest.Agent) { a.Limits["memory"] = "512" }, "", "limit of memory: 512 instead of 1024"},
		{"no cpu limit", func(a *manifest.Agent) { delete(a.Limits, "cpu") }, "no limit of cpu any more, which was 50%", ""},
		{"disabled", func(a *manifest.Agent) { a.Enabled = false }, "", "runs no more"},
		{"name", func(a *manifest.Agent) { a.Name = "Atlas" }, "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := Compare(with(func(*manifest.Agent) {}), with(c.change))
			check(t, "widening", c.wider, got.Widening)
			check(t, "narrowing", c.narrow, got.Narrowing)
			back := Compare(with(c.change), with(func(*manifest.Agent) {}))
			if len(back.Widening) != len(got.Narrowing) || len(back.Narrowing) != len(got.Widening) {
				t.Errorf("the way back is not the opposite: %+v and %+v", got, back)
			}
		})
	}
}

func check(t *testing.T, what, want string, got []Change) {
	t.Helper()
	var texts []string
	for _, c := range got {
		texts = append(texts, c.Text)
	}
	if diff := cmp.Diff(want, strings.Join(texts, "; ")); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

// Where both sides change, or nothing can be judged, nothing is hidden.
func TestCompareBothWays(t *testing.T) {
	agent := func(ports, mount, cpu string) *manifest.Manifest {
		return with(func(a *manifest.Agent) { a.Ports, a.Mounts, a.Limits["cpu"] = ports, []string{mount}, cpu })
	}
	got := Compare(agent("2000-2010", "/srv /srv ro", "50%"), agent("2005-2020", "/srv /srv rw", "much"))
	check(t, "widening", "sees the host's folder /srv as rw instead of ro; has loopback ports 2005-2020 instead of 2000-2010; "+
		"limit of cpu: much instead of 50%", got.Widening)
	check(t, "narrowing", "has loopback ports 2005-2020 instead of 2000-2010", got.Narrowing)

	got = Compare(agent("2000-2010", "/srv /srv rw", "50%"), agent("2002-2004", "/srv /srv ro", "0.5"))
	check(t, "widening", "limit of cpu: 0.5 instead of 50%", got.Widening)
	check(t, "narrowing", "sees the host's folder /srv as ro instead of rw; has loopback ports 2002-2004 instead of 2000-2010", got.Narrowing)

	unlimited := with(func(a *manifest.Agent) { a.Limits = nil })
	got = Compare(with(func(*manifest.Agent) {}), unlimited)
	check(t, "widening", "no limit of cpu any more, which was 50%; no limit of memory any more, which was 1024", got.Widening)
}

func TestCompareOperators(t *testing.T) {
	next := with(func(*manifest.Agent) {})
	next.Groups = []string{"everybody"}
	got := Compare(with(func(*manifest.Agent) {}), next)
	check(t, "widening", "members of everybody may operate agents", got.Widening)
	check(t, "narrowing", "no longer: members of ops may operate agents", got.Narrowing)
}

func TestFirstSwitchOnlyWidens(t *testing.T) {
	got := Compare(nil, with(func(a *manifest.Agent) { a.Sudo = []string{"/bin/id"} }))
	if len(got.Narrowing) != 0 || len(got.Widening) != 3 {
		t.Errorf("%+v", got)
	}
	if text := got.Text(); !strings.Contains(text, "+ wider     lead: may run as root: /bin/id\n") {
		t.Error(text)
	}
}
