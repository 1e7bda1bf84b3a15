package survey

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"fleet/activate/agents"
	"fleet/activate/firewall"
	"fleet/activate/plaintext"
	"fleet/schemas/manifest"
	"fleet/schemas/status"
)

// shownSessions is how many sessions a detail lists.
const shownSessions = 10

// Detail adds to an agent's status what is told only when one agent is asked for.
func Detail(ctx context.Context, c agents.Control, a manifest.Agent, to *status.Agent) error {
	d := &status.Detail{
		Isolation: a.Isolation, Harness: a.Harness, OnChange: a.OnChange, Jobs: []status.Job{},
		Counters: counters(c, a.Key), Git: identity(c, a), Queue: c.Waiting(a.Key),
	}
	for _, u := range c.Manifest.Users {
		if u.Name == a.User {
			d.UID = u.UID
		}
	}
	records, err := c.Sessions(a.Key, shownSessions)
	if err != nil {
		c.Log("%s", plaintext.Line(err.Error())) // the agent's own doing: all else can still be told
	}
	d.Sessions = agents.Summaries(records)
	if a.Enabled {
		d.Exposure = exposure(ctx, a.Unit)
		if d.Jobs, err = c.Jobs(ctx, a); err != nil {
			return err
		}
	}
	to.Detail = d
	return nil
}

// OfAgent returns the drift of the agent's own units and user.
func OfAgent(all []status.Drift, a manifest.Agent) []status.Drift {
	out := []status.Drift{}
	for _, d := range all {
		own := strings.TrimSuffix(a.Unit, ".service")
		if d.Name == a.User || d.Name == a.Unit || ofAgent.MatchString(strings.TrimPrefix(d.Name, own)) && strings.HasPrefix(d.Name, own) {
			out = append(out, d)
		}
	}
	return out
}

// ofAgent matches what follows the name of an agent in the names of its other units. Keys that end so are refused in a
// spec.
var ofAgent = regexp.MustCompile(`^-(net\.service|gate\.(socket|service)|ca\.service|(attach|login)@\.service|sign\.(socket|service)|probe\.service|job-[^/]+\.(timer|service))$`)

// counters returns what the firewall rejected of the agent.
func counters(c agents.Control, key string) []status.Counter {
	out := []status.Counter{}
	all, err := firewall.Counters(c.Project, []string{key})
	if err != nil {
		c.Log("%s", err)
		return out
	}
	if n, ok := all[key]; ok {
		out = append(out, status.Counter{Name: "rejected", Packets: n.Packets, Bytes: n.Bytes})
	}
	return out
}

// maxConfig bounds the generated files that are read here.
const maxConfig = 64 << 10

// identity reads the agent's name and address from its generated gitconfig, and the public part of its signing key.
func identity(c agents.Control, a manifest.Agent) status.Git {
	text := readSmall(filepath.Join(c.Generation(c.Number), "agents", a.Key, "gitconfig"))
	g := parseIdentity(text)
	if a.Signing {
		g.PublicKey = strings.TrimSpace(string(readSmall(filepath.Join(c.State(), "keys", a.Key, "sign.pub"))))
	}
	return g
}

// readSmall reads a file of root's, nil where there is none.
func readSmall(path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil || len(b) > maxConfig {
		return nil
	}
	return b
}

// parseIdentity reads name and email of the section user in the form that the generator writes: one key a line, values
// with or without quotes, a backslash before quotes and backslashes.
func parseIdentity(text []byte) status.Git {
	var g status.Git
	section := ""
	for line := range bytes.Lines(text) {
		l := strings.TrimSpace(string(line))
		if strings.HasPrefix(l, "[") {
			section = strings.Trim(l, "[]")
			continue
		}
		key, value, ok := strings.Cut(l, "=")
		if !ok || section != "user" {
			continue
		}
		switch strings.TrimSpace(key) {
		case "name":
			g.Name = unquote(value)
		case "email":
			g.Email = unquote(value)
		}
	}
	return g
}

func unquote(v string) string {
	v = strings.TrimSpace(v)
	if len(v) >= 2 && v[0] == '"' && v[len(v)-1] == '"' {
		v = v[1 : len(v)-1]
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(v)
}

// exposureTime bounds systemd-analyze, which is asked for one number.
const exposureTime = 10 * time.Second

// exposure returns the overall exposure of a unit by systemd-analyze security, "" where it gives none.
func exposure(ctx context.Context, unit string) string {
	ctx, cancel := context.WithTimeout(ctx, exposureTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/usr/bin/systemd-analyze", "security", "--no-pager", unit)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0"}
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return parseExposure(string(out))
}

// parseExposure finds the number in "Overall exposure level for UNIT: 0.9 SAFE".
func parseExposure(out string) string {
	_, rest, ok := strings.Cut(out, "Overall exposure level for ")
	if !ok {
		return ""
	}
	_, rest, _ = strings.Cut(rest, ": ")
	number, _, _ := strings.Cut(rest, " ")
	return plaintext.Short(number, 8)
}
