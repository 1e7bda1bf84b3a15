package sidecar_test

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/report"
	"fleet/schemas/schematest"
	"fleet/schemas/sidecar"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// full returns testdata/sidecar.json, which uses every key of a sidecar with a program.
func full(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/sidecar.json")
	must(t, err)
	return string(b)
}

func TestSchema(t *testing.T) {
	schematest.Equal(t, "sidecar.schema.json", reflect.TypeFor[sidecar.Config]())
}

func TestRoundTrip(t *testing.T) {
	c, err := sidecar.Parse([]byte(full(t)))
	must(t, err)
	b, err := sidecar.Encode(c)
	must(t, err)
	if d := cmp.Diff(full(t), string(b)); d != "" {
		t.Error(d)
	}
	schematest.Accepts(t, "sidecar.schema.json", b)
	if c.Timeout().Minutes() != 2 || !c.Shared() {
		t.Errorf("timeout %s, shared %t", c.Timeout(), c.Shared())
	}
	remote := sidecar.Config{
		Version: 1, Project: "demo", Name: "web", Agents: []sidecar.Agent{{Key: "lead", HTTP: sidecar.Socket("lead")}},
		Tool: sidecar.Tool{
			URL: "https://mcp.example.com/mcp",
			Secrets: []sidecar.Secret{
				{Name: "WEB_TOKEN", Bearer: true},
				{Name: "WEB_KEY", Header: "X-Api-Key"},
			},
		},
		CallTimeout: "1m0s", MaxMessage: 4 << 20,
	}
	b, err = sidecar.Encode(&remote)
	must(t, err)
	schematest.Accepts(t, "sidecar.schema.json", b)
	if _, err := sidecar.Parse(b); err != nil {
		t.Error(err)
	}
}

func TestOffers(t *testing.T) {
	listed, err := sidecar.Parse([]byte(full(t)))
	must(t, err)
	all := sidecar.Config{DenyTools: []string{"drop"}}
	for _, c := range []struct {
		c    *sidecar.Config
		tool string
		want bool
	}{
		{listed, "get_issue", true},
		{listed, "list_issues", false},
		{listed, "Get_issue", false},
		{listed, "delete_issue", false},
		{listed, "", false},
		{&all, "anything", true},
		{&all, "drop", false},
	} {
		if got := c.c.Offers(c.tool); got != c.want {
			t.Errorf("%q: %t", c.tool, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := full(t)
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the file does not hold %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for want, text := range map[string]string{
		"must be JSON":                       "",
		"has version 2":                      edit(`"version": 1`, `"version": 2`),
		"has version 0":                      "{}",
		"unknown field":                      edit(`"name": "github"`, `"nam": "github"`),
		"order and spacing":                  edit(`"name": "github"`, `"NAME": "github"`),
		"must have at most":                  strings.Repeat(" ", sidecar.MaxSize+1),
		"12 lower-case letters":              edit(`"demo"`, `"Demo"`),
		"lower-case letters, digits":         edit(`"name": "github"`, `"name": "../x"`),
		"in rising order":                    edit(`"key": "worker"`, `"key": "lead"`),
		"must be the name of sockets of one": edit(`"http-worker"`, `"http-lead"`),
		"must have a socket":                 edit(",\n      \"http\": \"http-worker\"", ""),
		"a user's number":                    edit(`990`, `-990`),
		"must be the path of a":              edit(`"/usr/bin/node"`, `"node"`),
		"text without NUL":                   edit(`"/opt/github-mcp/index.js"`, `"\u0000"`),
		"does not set itself":                edit(`"GITHUB_HOST"`, `"LD_PRELOAD"`),
		"variable that the sidecar":          edit(`"env": "GITHUB_PERSONAL_ACCESS_TOKEN"`, `"env": "PATH"`),
		"must not be in tool.env too":        edit(`"env": "GITHUB_PERSONAL_ACCESS_TOKEN"`, `"env": "GITHUB_HOST"`),
		"must have one place":                edit(`"file": true`, `"file": true, "env": "X"`),
		"not in requests, where":             edit(`"file": true`, `"bearer": true`),
		"upper-case letters":                 edit(`"GITHUB_KEY"`, `"github_key"`),
		"tools[2]":                           edit(`"get_issue"`, `"zet_issue"`),
		"must be the name of a tool":         edit(`"create_issue"`, `"create issue"`),
		"is not offered anyway":              edit("\"denyTools\": [\n    \"list_issues\"", "\"denyTools\": [\n    \"other\""),
		"the tool is not offered":            edit(`"create_issue": {`, `"list_issues": {`),
		"is no keyword of the draft":         edit(`"const"`, `"cosnt"`),
		"must be from 4096 to 67108864":      edit(`4194304`, `1`),
		"must be from 1s to 1h0m0s":          edit(`2m0s`, `120s`),
		"must be from 1 to 60000":            edit(`60,`, `-1,`),
		"a command or a url":                 edit(`"command"`, `"url": "https://example.com/", "command"`),
		"address without user name":          edit(`"command"`, `"url": "https://a:b@example.com/", "command"`),
	} {
		_, err := sidecar.Parse([]byte(text))
		var refused *report.Err
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	var c sidecar.Config
	r := c.Check()
	if len(r.Entries) < 6 || r.Entries[0].Where != sidecar.FileName {
		t.Errorf("got %s", r.String())
	}
}

// FuzzParse proves that what is accepted is written again as it was, so that two readers never see two things in it.
func FuzzParse(f *testing.F) {
	f.Add([]byte(full(f)))
	f.Add([]byte(`{"version":1,"arguments":{"a":{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#"}}}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := sidecar.Parse(b)
		if err != nil {
			var refused *report.Err
			if !errors.As(err, &refused) {
				t.Errorf("%T", err)
			}
			return
		}
		for name, schema := range c.Arguments {
			if _, err := sidecar.Compile(schema); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
