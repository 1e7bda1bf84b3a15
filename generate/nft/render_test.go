package nft

import (
	"flag"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/artifact/artifacttest"
	"fleet/generate/model"
	"fleet/generate/model/modeltest"
	"fleet/schemas/fleet"
	"fleet/schemas/policy"
)

var update = flag.Bool("update", false, "write the expected rulesets anew")

func agent1(key string, uid int, iso model.Isolation, ports *fleet.PortRange) model.Agent {
	return model.Agent{Key: key, User: "demo-" + key, UID: uid, Isolation: iso, LocalPorts: ports, Enabled: true}
}

func demoFleet(agents ...model.Agent) *model.Fleet {
	return modeltest.Gated(&model.Fleet{Project: "demo", UIDs: fleet.UIDs{From: 70000, To: 99999}, Agents: agents})
}

func mustText(t testing.TB, m *model.Fleet) string {
	t.Helper()
	files, err := artifacttest.Files(Render, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(files[1].Data)
}

func TestRender(t *testing.T) {
	for name, m := range map[string]*model.Fleet{
		"namespace": demoFleet(agent1("lead", 70001, model.Namespace, nil), agent1("worker", 70002, model.Namespace, nil)),
		"user": demoFleet(agent1("lead", 70001, model.Namespace, nil),
			agent1("web-dev", 70005, model.User, &fleet.PortRange{From: 5000, To: 5010}),
			agent1("worker", 80000, model.User, &fleet.PortRange{From: 6000, To: 6000})),
		"noports":  demoFleet(agent1("lead", 70001, model.User, nil)),
		"literals": withLiteral(demoFleet(agent1("lead", 70001, model.User, nil))),
	} {
		t.Run(name, func(t *testing.T) {
			got, path := mustText(t, m), "testdata/"+name+".nft"
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (run with -update): -want +got\n%s", path, diff)
			}
		})
	}
}

// withLiteral lets the first agent reach an address that has no name.
func withLiteral(m *model.Fleet) *model.Fleet {
	m.Agents[0].Policy.Allow = append(m.Agents[0].Policy.Allow, policy.Rule{
		Name: "egress.allow[0]", Host: "10.9.8.7", Ports: []int{80}, Protocol: policy.HTTP, Private: true,
	})
	return m
}

func TestRenderRefuses(t *testing.T) {
	ports := func(from, to int) *fleet.PortRange { return &fleet.PortRange{From: from, To: to} }
	for _, tc := range []struct {
		name string
		m    *model.Fleet
		want string
	}{
		{"port ranges that overlap", demoFleet(agent1("a", 70001, model.User, ports(5000, 5010)),
			agent1("b", 70002, model.User, ports(5010, 5020))), "agents.b.localPorts: must not overlap with agents.a.localPorts"},
		{
			"ports in a namespace", demoFleet(agent1("a", 70001, model.Namespace, ports(5000, 5010))),
			"agents.a.localPorts: must stand only with isolation user",
		},
		{"UID outside the range", demoFleet(agent1("a", 1000, model.User, nil)), "agents.a: UID 1000 must lie within uids 70000-99999"},
		{
			"UID twice", demoFleet(agent1("a", 70001, model.User, nil), agent1("b", 70001, model.User, nil)),
			"agents.b: UID 70001 is a's already",
		},
		{"ports that fall", demoFleet(agent1("a", 70001, model.User, ports(5010, 5000))), "must rise"},
		{"port 0", demoFleet(agent1("a", 70001, model.User, ports(0, 5000))), "must lie within 1-65535"},
		{"port 65536", demoFleet(agent1("a", 70001, model.User, ports(5000, 65536))), "must lie within 1-65535"},
		{"project", &model.Fleet{Project: "de\nmo", UIDs: fleet.UIDs{From: 1, To: 2}}, "must match"},
		{"key", demoFleet(agent1("a b", 70001, model.User, nil)), "must match"},
		{"user", demoFleet(model.Agent{Key: "a", User: "x\naccept", UID: 70001}), "must not have control"},
		{"range of root", &model.Fleet{Project: "demo", UIDs: fleet.UIDs{From: 0, To: 99999}}, "must not hold root's"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := artifacttest.Files(Render, tc.m, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestQuote(t *testing.T) {
	for _, bad := range []string{`"`, `\`, "*", "a\nb", "\x00", "\xff", "a\u2028b", strings.Repeat("a", 128)} {
		if Quote(bad).err == nil {
			t.Errorf("Quote(%q) is taken", bad)
		}
	}
	if q := Quote("it's ; { } # fine"); q.err != nil {
		t.Error(q.err)
	}
}

// A new agent adds lines and changes none.
func TestDiffIsSmall(t *testing.T) {
	one := mustText(t, demoFleet(agent1("lead", 70001, model.Namespace, nil)))
	two := mustText(t, demoFleet(agent1("lead", 70001, model.Namespace, nil), agent1("worker", 70002, model.Namespace, nil)))
	rest := two
	for line := range strings.Lines(one) {
		i := strings.Index(rest, line)
		if i < 0 {
			t.Fatalf("line %q is gone", line)
		}
		rest = rest[i+len(line):]
	}
	if n := strings.Count(two, "\n") - strings.Count(one, "\n"); n != 5 {
		t.Errorf("%d lines more", n)
	}
}

func TestScript(t *testing.T) {
	for _, argv := range [][]string{{"sh", "-n", "firewall.sh"}, {"shellcheck", "firewall.sh"}} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", argv, err, out)
		}
	}
}

// tokens is a reader of nft's language that shares nothing with the writer: comments are dropped, strings are one token
// each, line ends and braces are tokens. Values become the name of their kind.
func tokens(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		rest := line
		for rest != "" {
			m := tokenRe.FindString(rest)
			rest = rest[len(m):]
			switch {
			case strings.HasPrefix(m, "#"):
				rest = ""
			case strings.HasPrefix(m, `"`):
				m = kindOfString(m)
			case numberRe.MatchString(m):
				m = "NUMBER"
			case strings.HasPrefix(m, "fleet_"):
				m = "TABLE"
			case strings.HasPrefix(m, "agent_"):
				m = "COUNTER"
			case strings.TrimSpace(m) == "":
				continue
			}
			if m != "" && !strings.HasPrefix(m, "#") {
				out = append(out, m)
			}
		}
		out = append(out, "\n")
	}
	return out
}

func kindOfString(s string) string {
	if s == `"lo"` || s == `"inbound"` || s == `"retired"` || s == `"unnamed"` {
		return s
	}
	return "STRING"
}

var (
	tokenRe  = regexp.MustCompile(`^(?:#.*|"[^"\n]*"|[{};,]|\s|[^\s"#{};,]+|.)`)
	numberRe = regexp.MustCompile(`^[0-9]+(-[0-9]+)?$`)
)

// FuzzRender: no value adds a rule, an element or a word of grammar, or changes one.
func FuzzRender(f *testing.F) {
	f.Add("demo", "lead", "demo-lead", 70001, 5000, 5010)
	f.Add("de mo", "le\"ad", "x\n\t\taccept", -1, 0, 70000)
	f.Add("demo { }; flush ruleset", "a; accept", "} chain x {", 0, 1, 1)
	f.Add("demo\\", "a\\", "u \\", 70001, 1, 65535)
	f.Add("demo", "lead", "\" accept # ", 70001, 5000, 5010)
	f.Add("demo", "lead", "x\n\t\taccept", 70001, 5000, 5010)
	f.Add("demo", "a : accept, 1", "x", 70001, 5000, 5010)
	f.Add("demo {", "lead", "x", 70001, 5000, 5010)
	f.Add("demo", "lead", "x", 0, 5000, 5010)
	want := tokens(mustText(f, demoFleet(agent1("a", 70001, model.User, &fleet.PortRange{From: 1, To: 2}))))
	f.Fuzz(func(t *testing.T, project, key, user string, uid, from, to int) {
		m := &model.Fleet{Project: project, UIDs: fleet.UIDs{From: 70000, To: 99999}, Agents: []model.Agent{
			{Key: key, User: user, UID: uid, Isolation: model.User, LocalPorts: &fleet.PortRange{From: from, To: to}},
		}}
		files, err := artifacttest.Files(Render, m, nil)
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, tokens(string(files[1].Data))); diff != "" {
			t.Errorf("the ruleset has another structure: -want +got\n%s", diff)
		}
	})
}

// FuzzText: the same for every place of a table that takes text.
func FuzzText(f *testing.F) {
	f.Add("name", "note", "text")
	f.Add("a { } ; #", "x\ny", "\" drop \"")
	f.Add("a\x00", "\\", "*")
	f.Add("a", "x\naccept", "t")
	f.Add("a", "n", "\" drop \"")
	f.Add("a drop", "n", "t")
	make1 := func(name, note, text string) (string, error) {
		return (&Table{
			Name: "fleet_x", Head: []string{note}, Counters: []Counter{{"agent_" + name, note}},
			Sets: []Set{{
				Name: "agent_" + name, Key: "uid", Value: "verdict", Note: note,
				Elements: []Element{{[]Term{Num(1)}, []Term{Words("goto"), Name("agent_" + name)}, note}},
			}},
			Chains: []Chain{{
				Name: "agent_" + name, Note: note,
				Rules: []Rule{{[]Term{Words("log prefix"), Quote(text), Words("jump"), Name("agent_" + name)}, note}},
			}},
		}).Text()
	}
	plain, err := make1("n", "n", "t")
	if err != nil {
		f.Fatal(err)
	}
	want := tokens(plain)
	f.Fuzz(func(t *testing.T, name, note, text string) {
		got, err := make1(name, note, text)
		if err != nil {
			return
		}
		if note == "" {
			note = "n"
			got, err = make1(name, note, text)
		}
		if diff := cmp.Diff(want, tokens(got)); err != nil || diff != "" {
			t.Errorf("%v: the table has another structure: -want +got\n%s", err, diff)
		}
	})
}
