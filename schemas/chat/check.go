package chat

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fleet/schemas/report"
)

// Bounds of a Config.
const (
	MaxAgents   = 10_000
	MaxChannels = 20_000 // one for each agent, and as many again
	MaxTrusted  = 10_000

	MinMessage, MaxMessage   = 1 << 10, 64 << 10 // of a text; what is longer belongs into a file
	MaxPostsPerMinute        = 60_000
	MinKeep, MaxKeep         = 10, 10_000_000
	MinKeepFor, MaxKeepFor   = time.Hour, 10 * 365 * 24 * time.Hour
	MaxKeepTasks, MaxLessons = 1_000_000, 100_000

	maxName, maxID, maxPath = 300, 200, 200
)

var (
	projectName = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)
	key         = regexp.MustCompile(`^[a-z][a-z0-9-]{0,15}$`)
	channelKey  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	secretName  = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)
	socketName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	backendID   = regexp.MustCompile(`^[!-~]{1,200}$`)
	snowflake   = regexp.MustCompile(`^[0-9]{1,20}$`)
	repoName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$`)
)

// roles are the channels that every chat has.
var roles = []string{Alerts, General, Lessons, Tasks}

// Check reports everything that fleet-chat could not make sense of, and what could never have an effect.
func (c *Config) Check() report.Report {
	var k checker
	k.must(c.Version == Version, "version", "must be %d, is %d", Version, c.Version)
	k.must(projectName.MatchString(c.Project), "project", "%q must be at most 12 lower-case letters and digits", c.Project)
	k.backend(&c.Backend)
	k.channels(c)
	k.agents(c)
	k.trusted(c)
	k.limits(&c.Limits)
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

// settings tells for each kind which keys of the backend it needs, and which it may have besides.
var settings = map[string]struct{ need, may []string }{
	Local:   {},
	Discord: {[]string{"server", "token"}, []string{"api"}},
	Slack:   {[]string{"token", "appToken"}, []string{"server", "api"}},
	GitHub:  {[]string{"repo", "token"}, []string{"api"}},
}

func (k *checker) backend(b *Backend) {
	of, known := settings[b.Kind]
	k.must(known, "backend.kind", "%q must be local, discord, slack or github", b.Kind)
	if !known {
		return
	}
	for _, s := range []struct{ key, value string }{
		{"server", b.Server},
		{"repo", b.Repo},
		{"api", b.API},
		{"token", b.Token},
		{"appToken", b.AppToken},
	} {
		need := slices.Contains(of.need, s.key)
		k.must(!need || s.value != "", "backend."+s.key, "must be there: %s cannot do without", b.Kind)
		may := need || slices.Contains(of.may, s.key)
		k.must(s.value == "" || may, "backend."+s.key, "must not be there: %s has none", b.Kind)
	}
	k.must(b.Server == "" || backendID.MatchString(b.Server), "backend.server", "%q must be an identifier", b.Server)
	if b.Kind == Discord && b.Server != "" {
		k.must(snowflake.MatchString(b.Server), "backend.server", "%q must be a number", b.Server)
	}
	k.must(b.Repo == "" || repoName.MatchString(b.Repo), "backend.repo", "%q must be OWNER/NAME", b.Repo)
	k.secret("backend.token", b.Token)
	k.secret("backend.appToken", b.AppToken)
	if b.API != "" {
		u, err := url.Parse(b.API)
		k.must(err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil &&
			u.RawQuery == "" && u.Fragment == "",
			"backend.api", "%q must be an http or https address without user name, query and fragment", b.API)
	}
}

func (k *checker) secret(at, name string) {
	k.must(name == "" || secretName.MatchString(name), at,
		"%q must be 1 to 64 upper-case letters, digits and underscores that begin with a letter", name)
}

func (k *checker) id(at, id string) {
	k.must(backendID.MatchString(id), at, "%q must be at most %d printable ASCII characters without spaces", id, maxID)
}

func (k *checker) channels(c *Config) {
	k.must(len(c.Channels) <= MaxChannels, "channels", "must be at most %d, are %d", MaxChannels, len(c.Channels))
	for _, role := range roles {
		_, ok := c.Channel(role)
		k.must(ok, "channels", "must have %q", role)
	}
	ids := map[string]bool{}
	for i, one := range c.Channels {
		at := fmt.Sprintf("channels[%d]", i)
		k.must(channelKey.MatchString(one.Key), at+".key",
			"%q must be at most 32 lower-case letters, digits and dashes", one.Key)
		k.must(i == 0 || c.Channels[i-1].Key < one.Key, at+".key", "%q must come once, in rising order", one.Key)
		if one.ID == "" {
			continue
		}
		k.must(c.Backend.Kind != Local, at+".id", "must not be there: the backend is local")
		k.id(at+".id", one.ID)
		k.must(!ids[one.ID], at+".id", "%q must be that of one channel", one.ID)
		ids[one.ID] = true
	}
}

func (k *checker) agents(c *Config) {
	k.must(len(c.Agents) <= MaxAgents, "agents", "must be at most %d, are %d", MaxAgents, len(c.Agents))
	// What must belong to one agent alone. That a bot's token is another one's would have two speak with one voice.
	once := unique{k, map[string]bool{ControlSocket: true, c.Backend.Token: true, c.Backend.AppToken: true}}
	for i := range c.Agents {
		a := &c.Agents[i]
		at := fmt.Sprintf("agents[%d]", i)
		k.must(key.MatchString(a.Key), at+".key", "%q must be lower-case letters, digits and dashes", a.Key)
		k.must(i == 0 || c.Agents[i-1].Key < a.Key, at+".key", "%q must come once, in rising order", a.Key)
		k.must(isName(a.Name), at+".name",
			"%q must be text of at most %d characters without control characters", a.Name, maxName)
		k.must(a.HTTP != "" || a.Stdio != "", at, "must have a socket: http or stdio")
		for _, s := range []struct{ key, name string }{{".http", a.HTTP}, {".stdio", a.Stdio}} {
			k.must(s.name == "" || socketName.MatchString(s.name), at+s.key,
				"%q must be lower-case letters, digits and dashes", s.name)
		}
		once.must(at+".http", a.HTTP)
		if a.Stdio != a.HTTP {
			once.must(at+".stdio", a.Stdio)
		}
		k.seen(c, a, at)
		k.must(a.Wake == "" || isPath(a.Wake), at+".wake", "%q must be the path of a folder", a.Wake)
		once.must(at+".wake", a.Wake)
		k.identity(c, a, at)
		once.must(at+".token", a.Token)
		once.must(at+".appToken", a.AppToken)
	}
}

// unique refuses what is there twice.
type unique struct {
	k    *checker
	seen map[string]bool
}

func (u unique) must(at, value string) {
	if value != "" {
		u.k.must(!u.seen[value], at, "%q must be there once", value)
		u.seen[value] = true
	}
}

// seen checks what an agent sees.
func (k *checker) seen(c *Config, a *Agent, at string) {
	for j, name := range a.Channels {
		at := fmt.Sprintf("%s.channels[%d]", at, j)
		_, ok := c.Channel(name)
		k.must(ok, at, "%q must be a channel", name)
		k.must(j == 0 || a.Channels[j-1] < name, at, "%q must come once, in rising order", name)
	}
	if a.Channel != "" {
		_, ok := c.Channel(a.Channel)
		k.must(ok && a.Sees(a.Channel), at+".channel", "%q must be a channel that the agent sees", a.Channel)
		k.must(!slices.Contains(roles, a.Channel), at+".channel", "%q must not be a channel of all", a.Channel)
	}
}

// identity checks a bot of an agent's own.
func (k *checker) identity(c *Config, a *Agent, at string) {
	k.secret(at+".token", a.Token)
	k.secret(at+".appToken", a.AppToken)
	k.must(a.Token == "" || c.Backend.Kind != Local, at+".token", "must not be there: the backend is local")
	k.must(a.AppToken == "" || c.Backend.Kind == Slack && a.Token != "", at+".appToken",
		"must not be there without slack and token")
}

func (k *checker) trusted(c *Config) {
	k.must(len(c.Trusted) <= MaxTrusted, "trusted", "must be at most %d, are %d", MaxTrusted, len(c.Trusted))
	k.must(len(c.Trusted) == 0 || c.Backend.Kind != Local, "trusted", "must not be there: the backend is local")
	for i, id := range c.Trusted {
		at := fmt.Sprintf("trusted[%d]", i)
		k.id(at, id)
		k.must(i == 0 || c.Trusted[i-1] < id, at, "%q must come once, in rising order", id)
	}
}

func (k *checker) limits(l *Limits) {
	within := func(key string, n, least, most int) {
		k.must(n >= least && n <= most, "limits."+key, "must be from %d to %d, is %d", least, most, n)
	}
	within("message", l.Message, MinMessage, MaxMessage)
	within("postsPerMinute", l.PostsPerMinute, 1, MaxPostsPerMinute)
	within("keepMessages", l.KeepMessages, MinKeep, MaxKeep)
	within("keepTasks", l.KeepTasks, MinKeep, MaxKeepTasks)
	within("keepLessons", l.KeepLessons, MinKeep, MaxLessons)
	d, err := time.ParseDuration(l.KeepFor)
	k.must(err == nil && d >= MinKeepFor && d <= MaxKeepFor && d.String() == l.KeepFor, "limits.keepFor",
		"%q must be from %s to %s, in the usual form", l.KeepFor, MinKeepFor, MaxKeepFor)
}

func isName(s string) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= maxName && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func isPath(s string) bool {
	return path.IsAbs(s) && path.Clean(s) == s && len(s) <= maxPath && utf8.ValidString(s) && !strings.ContainsRune(s, 0)
}
