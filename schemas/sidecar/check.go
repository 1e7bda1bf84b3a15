package sidecar

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"fleet/schemas/report"
)

// Bounds of a Config.
const (
	MaxAgents  = 100
	MaxTools   = 1000
	MaxSecrets = 100

	MaxCallsPerMinute = 60_000
	MinTimeout        = time.Second
	MaxTimeout        = time.Hour

	MinMessage = 4 << 10  // the list of a few tools
	MaxMessage = 64 << 20 // that many a message may make the sidecar hold several times

	maxWords, maxText = 1000, 32 << 10 // of a command and of what one word of it or a variable has
	maxUID            = 1<<32 - 2      // the highest number says "no change" to chown(2)
)

var (
	projectName = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)
	agentKey    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,15}$`)
	secretName  = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)
	socketName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	toolName    = regexp.MustCompile(`^[A-Za-z0-9_./-]{1,128}$`) // as MCP has it, and the slash that some servers use
	variable    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)
	fieldName   = regexp.MustCompile(`^[!#$%&'*+.^_|~0-9A-Za-z-]{1,64}$`)
)

// ownVariables are set by the sidecar itself, or would change what the dynamic linker runs before the tool.
var ownVariables = []string{"PATH", "HOME", "LANG", "CREDENTIALS_DIRECTORY"}

// ownFields belong to the connection, to the message's form or to the protocol.
var ownFields = []string{
	"accept", "connection", "content-length", "content-type", "host", "keep-alive", "last-event-id", "mcp-protocol-version",
	"mcp-session-id", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}

// Check reports everything that fleet-sidecar could not make sense of, and what could never have an effect.
func (c *Config) Check() report.Report {
	var k checker
	k.head(c)
	k.agents(c.Agents)
	k.tool(&c.Tool)
	k.policy(c)
	for i := range k.r.Entries {
		k.r.Entries[i].Where = FileName
	}
	return k.r
}

// maxFaults bounds a report on a hostile input.
const maxFaults = 100

type checker struct{ r report.Report }

func (k *checker) must(ok bool, at, format string, args ...any) {
	if !ok && len(k.r.Entries) < maxFaults {
		k.r.Errorf(at, format, args...)
	}
}

func (k *checker) head(c *Config) {
	k.must(c.Version == Version, "version", "must be %d, is %d", Version, c.Version)
	k.must(projectName.MatchString(c.Project), "project", "%q must be at most 12 lower-case letters and digits", c.Project)
	k.must(agentKey.MatchString(c.Name), "name", "%q must be lower-case letters, digits and dashes", c.Name)
	d, err := time.ParseDuration(c.CallTimeout)
	k.must(err == nil && d >= MinTimeout && d <= MaxTimeout && d.String() == c.CallTimeout, "callTimeout",
		"%q must be from %s to %s, in the usual form", c.CallTimeout, MinTimeout, MaxTimeout)
	k.must(c.MaxMessage >= MinMessage && c.MaxMessage <= MaxMessage, "maxMessage", "must be from %d to %d, is %d",
		MinMessage, MaxMessage, c.MaxMessage)
	k.must(c.CallsPerMinute >= 0 && c.CallsPerMinute <= MaxCallsPerMinute, "callsPerMinute", "must be from 1 to %d, is %d",
		MaxCallsPerMinute, c.CallsPerMinute)
}

func (k *checker) agents(list []Agent) {
	k.must(len(list) > 0 && len(list) <= MaxAgents, "agents", "must be 1 to %d, are %d", MaxAgents, len(list))
	sockets := map[string]int{} // whose they are
	for i, a := range list {
		at := fmt.Sprintf("agents[%d]", i)
		k.must(agentKey.MatchString(a.Key), at+".key", "%q must be lower-case letters, digits and dashes", a.Key)
		k.must(i == 0 || list[i-1].Key < a.Key, at+".key", "%q must come once, in rising order", a.Key)
		k.must(a.UID >= 0 && a.UID <= maxUID, at+".uid", "must be a user's number, is %d", a.UID)
		k.must(a.HTTP != "" || a.Stdio != "", at, "must have a socket: http or stdio")
		for _, s := range []struct{ key, name string }{{"http", a.HTTP}, {"stdio", a.Stdio}} {
			if s.name == "" {
				continue
			}
			k.must(socketName.MatchString(s.name), at+"."+s.key, "%q must be lower-case letters, digits and dashes", s.name)
			owner, taken := sockets[s.name]
			k.must(!taken || owner == i, at+"."+s.key, "%q must be the name of sockets of one agent", s.name)
			sockets[s.name] = i
		}
	}
}

func (k *checker) tool(t *Tool) {
	k.must((len(t.Command) > 0) != (t.URL != ""), "tool", "must have a command or a url, one of them")
	k.command(t.Command)
	for name, value := range t.Env {
		k.must(variable.MatchString(name) && !isOwnVariable(name), "tool.env",
			"%q must be the name of a variable that the sidecar does not set itself", name)
		k.must(isText(value), "tool.env."+name, "must be text without NUL of at most %d bytes", maxText)
	}
	k.must(len(t.Env) == 0 || len(t.Command) > 0, "tool.env", "must not be there without command: only a program has variables")
	if t.URL != "" {
		u, err := url.Parse(t.URL)
		k.must(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.Fragment == "",
			"tool.url", "%q must be an http or https address without user name and fragment", t.URL)
	}
	k.must(len(t.Secrets) <= MaxSecrets, "tool.secrets", "must be at most %d, are %d", MaxSecrets, len(t.Secrets))
	places := map[string]bool{}
	for i := range t.Secrets {
		k.secret(fmt.Sprintf("tool.secrets[%d]", i), t, &t.Secrets[i], places)
	}
}

func (k *checker) command(argv []string) {
	k.must(len(argv) <= maxWords, "tool.command", "must have at most %d words, has %d", maxWords, len(argv))
	for i, word := range argv {
		k.must(isText(word), fmt.Sprintf("tool.command[%d]", i), "must be text without NUL of at most %d bytes", maxText)
	}
	if len(argv) > 0 {
		k.must(strings.HasPrefix(argv[0], "/"), "tool.command[0]", "%q must be the path of a program", argv[0])
	}
}

func isText(s string) bool { return len(s) <= maxText && !strings.Contains(s, "\x00") }

func isOwnVariable(name string) bool {
	return slices.Contains(ownVariables, name) || strings.HasPrefix(name, "LD_")
}

func (k *checker) secret(at string, t *Tool, s *Secret, places map[string]bool) {
	k.must(secretName.MatchString(s.Name), at+".name",
		"%q must be 1 to 64 upper-case letters, digits and underscores that begin with a letter", s.Name)
	n := 0
	for _, is := range []bool{s.Env != "", s.File, s.Header != "", s.Bearer} {
		if is {
			n++
		}
	}
	k.must(n == 1, at, "must have one place: env, file, header or bearer")
	k.must(s.Env == "" && !s.File || len(t.Command) > 0, at, "must have its place in requests, not in a program, where there is a url")
	k.must(s.Header == "" && !s.Bearer || t.URL != "", at, "must have its place in a program, not in requests, where there is a command")
	k.must(s.Env == "" || variable.MatchString(s.Env) && !isOwnVariable(s.Env), at+".env",
		"%q must be the name of a variable that the sidecar does not set itself", s.Env)
	_, plain := t.Env[s.Env]
	k.must(!plain, at+".env", "%q must not be in tool.env too", s.Env)
	k.must(s.Header == "" || fieldName.MatchString(s.Header) && !slices.Contains(ownFields, strings.ToLower(s.Header)), at+".header",
		"%q must be the name of a field that carries a credential", s.Header)
	place := s.place()
	k.must(!places[place], at, "must have a place of its own: %s has a secret before", place)
	places[place] = true
}

// place is the same for two secrets that cannot both be there.
func (s *Secret) place() string {
	switch {
	case s.Env != "":
		return "variable " + s.Env
	case s.File:
		return "file " + s.Name
	case s.Bearer:
		return "field authorization"
	}
	return "field " + strings.ToLower(s.Header)
}

func (k *checker) policy(c *Config) {
	k.names("tools", c.Tools)
	k.names("denyTools", c.DenyTools)
	for i, name := range c.DenyTools {
		k.must(len(c.Tools) == 0 || slices.Contains(c.Tools, name), fmt.Sprintf("denyTools[%d]", i),
			"%q must not be there: tools does not list it, so that it is not offered anyway", name)
	}
	k.must(len(c.Arguments) <= MaxTools, "arguments", "must be at most %d, are %d", MaxTools, len(c.Arguments))
	for _, name := range sorted(c.Arguments) {
		at := "arguments." + name
		k.must(toolName.MatchString(name), at, "%q must be the name of a tool", name)
		k.must(c.Offers(name), at, "must not be there: the tool is not offered")
		if _, err := Compile(c.Arguments[name]); err != nil {
			k.must(false, at, "must be a JSON Schema of draft 2020-12: %v", err)
		}
	}
}

func (k *checker) names(at string, list []string) {
	k.must(len(list) <= MaxTools, at, "must be at most %d, are %d", MaxTools, len(list))
	for i, name := range list {
		at := fmt.Sprintf("%s[%d]", at, i)
		k.must(toolName.MatchString(name), at, "%q must be the name of a tool", name)
		k.must(i == 0 || list[i-1] < name, at, "%q must come once, in rising order", name)
	}
}

// Offers tells whether the agents may know of a tool.
func (c *Config) Offers(tool string) bool {
	_, denied := slices.BinarySearch(c.DenyTools, tool)
	_, listed := slices.BinarySearch(c.Tools, tool)
	return !denied && (listed || len(c.Tools) == 0)
}
