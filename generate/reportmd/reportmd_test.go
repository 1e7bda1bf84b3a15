package reportmd

import (
	encoding "encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/generate/artifact/artifacttest"
	"fleet/generate/model"
	"fleet/schemas/fleet"
	"fleet/schemas/policy"
)

// withValue is a fleet that has s wherever a person writes text.
func withValue(s string) *model.Fleet {
	return &model.Fleet{
		Project: "demo", Description: s, Operators: s, UIDs: fleet.UIDs{From: 70000, To: 99999},
		Agents: []model.Agent{{
			Key: "lead", Name: s, Role: s, User: "demo-lead", UID: 70001, Enabled: true, Isolation: model.User, Mode: s,
			OnChange: s, Harness: model.Harness{Name: s}, Sudo: []string{s},
			Mounts:    []fleet.Mount{{Source: s, Target: s}},
			Systemd:   fleet.Systemd{Unsafe: true, Service: map[string][]string{"Nice": {s}}},
			Schedules: []model.Schedule{{Name: s, When: s, Key: s, Expr: s}},
			Policy: &policy.Policy{
				Mode: s, DNS: s, Upstream: &policy.Upstream{Host: s, Port: 3128, Resolves: true},
				Allow: []policy.Rule{
					{Name: "tls", Host: s, Ports: []int{443}, Protocol: policy.TLS, Methods: []string{s}, Paths: []string{s}, Limits: &policy.Limits{RequestsPerDay: 1}},
					{Name: "raw", Host: "*." + s, Ports: []int{22}, Protocol: policy.Raw, Private: true},
					{Name: s, Host: "x" + s, Protocol: policy.TLS},
				},
				Deny: []policy.Denial{{Name: "no", Host: s, Methods: []string{s}}},
			},
			RuleNotes: map[string]string{"tls": s, "no": s},
		}},
	}
}

func files(t testing.TB, s string) (report, picture string) {
	t.Helper()
	files, err := artifacttest.Files(Render, withValue(s), nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(files[0].Data), string(files[1].Data)
}

// markup is everything that means something to a reader of Markdown: what is escaped does not.
var (
	escaped = regexp.MustCompile(`\\[[:punct:]]`)
	markup  = regexp.MustCompile("(?m)[\\\\`*_{}\\[\\]<>()#+!|&~$@\n]|://|[wW]\\.|^ *[-=]|^ *[0-9]+[.)]")
)

func structure(report string) []string {
	return markup.FindAllString(escaped.ReplaceAllString(report, "x"), -1)
}

// elements returns the names and attributes of the picture, in order.
func elements(t testing.TB, picture string) []string {
	t.Helper()
	var out []string
	for d := encoding.NewDecoder(strings.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, picture)
		}
		if e, ok := token.(encoding.StartElement); ok {
			out = append(out, e.Name.Local)
			for _, a := range e.Attr {
				out = append(out, a.Name.Local+"="+a.Value)
			}
		}
	}
}

// No text of a person's adds markup to the report, or an element to the picture.
func FuzzRender(f *testing.F) {
	for _, s := range []string{
		"a|b", "a\n## b", "- a", "1. a", "12) a", "=== a", "[a](http://b)", "https://a.example", "www.a.example", "a@b.example",
		"<b>", "<!-- a", "`a`", "&lt;", "\\", "\\|", "~~~", "![a](b)", "</text><script>", "\x00\xff", "   a", "é 漢 \u2028",
	} {
		f.Add(s)
	}
	report, picture := files(f, "x")
	text, drawn := structure(report), elements(f, picture)
	f.Fuzz(func(t *testing.T, s string) {
		if strings.TrimSpace(s) == "" {
			return // an empty description has no paragraph
		}
		report, picture := files(t, s)
		if d := cmp.Diff(text, structure(report)); d != "" {
			t.Errorf("the report has other markup: -want +got\n%s\n%s", d, report)
		}
		if d := cmp.Diff(drawn, elements(t, picture)); d != "" {
			t.Errorf("the picture has other elements: -want +got\n%s", d)
		}
	})
}
