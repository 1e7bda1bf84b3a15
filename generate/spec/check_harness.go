package spec

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"fleet/generate/model"
	"fleet/schemas/fleet"
)

var (
	template      = regexp.MustCompile(`\{\{[^{}]*\}\}`)
	templateNames = []string{"{{model}}", "{{effort}}", "{{prompt}}", "{{settings}}", "{{mcp}}", permissionsMode}
	programName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)
)

// sessionVariable is the name of the session that resumeTalk takes up.
const sessionVariable = "{{session}}"

// permissionsMode is the variable of an agent's permission mode.
const permissionsMode = "{{permissions.mode}}"

// Folders and files of /etc that an agent's unit binds or needs itself.
var takenEtc = []string{
	"passwd", "group", "hosts", "nsswitch.conf", "resolv.conf", "fleet", "ssl", "alternatives", "ld.so.cache",
	"ld.so.conf",
	"ld.so.conf.d", "ld.so.preload", "ssh", "sudoers", "sudoers.d", "pam.d", "systemd", "shadow", "gshadow", "localtime",
	"profile", "profile.d", "bash.bashrc", "machine-id", "gitconfig", "ca-certificates",
}

// harness checks the data of one harness, built in or the spec's own.
func (c *checker) harness(p place, h fleet.Harness) {
	isPath := path.IsAbs(h.Program) && path.Clean(h.Program) == h.Program
	if h.Program != "" && !isPath && !programName.MatchString(h.Program) {
		c.error(p.in("program"), show(h.Program)+" is neither a program's name nor an absolute path", "")
	}
	if len(h.Interactive)+len(h.Headless) == 0 && !c.failedBelow(p) {
		c.error(p, "must have a command line: interactive, headless or both",
			`write headless: ["my-agent", "run", "--", "{{prompt}}"]`)
	}
	c.argv(p.in("interactive"), h.Interactive)
	c.argv(p.in("headless"), h.Headless)
	c.argv(p.in("resume"), h.Resume)
	c.resumeTalk(p, h)
	for _, key := range slices.Sorted(maps.Keys(h.Options)) {
		c.templates(p.in("options", key), h.Options[key])
	}
	c.env(p.in("env"), h.Env)
	c.etcFolder(p.in("settingsDir"), h)
	c.homePath(p.in("instructions"), h.Instructions)
	for _, name := range slices.Sorted(maps.Keys(h.Home)) {
		c.homePath(p.in("home", name), name)
		c.length(p.in("home", name), h.Home[name], homeLimit)
	}
	c.settings(p.in("settings"), h.Settings, "")
	c.harnessLogin(p.in("login"), h.Login)
	for _, kind := range slices.Sorted(maps.Keys(h.Providers)) {
		c.harnessProvider(p.in("providers", kind), h.Providers[kind])
	}
	c.expressions(p, h)
	if h.TurnEnd == "stop-hook" && !stands(h.Settings, "{{turn}}") {
		c.error(p.in("turnEnd"), `"stop-hook" needs managed settings in which {{turn}} is the hook`,
			`such as settings: { "settings.json": { hooks: { Stop: "{{turn}}" } } }, or turnEnd: "exit"`)
	}
}

// expressions checks what the runner's scripts match texts with.
func (c *checker) expressions(p place, h fleet.Harness) {
	one := func(p place, text string, groups int) {
		e, err := regexp.CompilePOSIX(text)
		switch {
		case err != nil:
			c.error(p, show(text)+" is not an extended regular expression", "see regex(7)")
		case e.NumSubexp() < groups:
			c.error(p, fmt.Sprintf("%s must have a group, in parentheses, for what until says", show(text)),
				fmt.Sprintf("groups: %d", groups))
		}
	}
	for i, f := range h.TurnFailed {
		one(p.in("turnFailed").at(i).in("match"), f.Match, 0)
		c.duration(p.in("turnFailed").at(i).in("still"), f.Still, stillSpan)
	}
	for i, l := range h.Limits {
		groups := map[string]int{fleet.UntilHour: 0, fleet.UntilMidnight: 0, fleet.UntilZoned: 2}
		n, ok := groups[l.Until]
		if !ok {
			n = 1
		}
		one(p.in("limits").at(i).in("match"), l.Match, n)
		c.zone(p.in("limits").at(i).in("zone"), l.Zone)
	}
	if h.Result != nil {
		one(p.in("result", "line"), h.Result.Line, 0)
	}
	if h.Message != nil {
		one(p.in("message", "line"), h.Message.Line, 0)
	}
	if h.SessionName != nil {
		one(p.in("sessionName", "line"), h.SessionName.Line, 0)
	}
}

// settings checks the variables in the files of managed settings, but for those that begin with others, which are
// another check's.
func (c *checker) settings(p place, files map[string]any, others string) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if _, ok := files[name].(string); ok {
			continue // a text is written as it is
		}
		if !strings.HasSuffix(name, ".json") && !strings.HasSuffix(name, ".toml") {
			c.error(p.in(name), "is an object, and the name does not say in which language to write it",
				"end it in .json or .toml, or write a text")
		}
		for _, text := range settingsTexts(files[name]) {
			if others != "" && strings.HasPrefix(text, others) {
				continue
			}
			if t := template.FindString(text); t == text && t != "" && !slices.Contains(model.SettingsVariables, t) {
				c.error(p.in(name), show(t)+" is not a variable of settings", "variables: "+strings.Join(model.SettingsVariables, ", "))
			}
		}
	}
}

// stands says whether a variable stands in settings.
func stands(files map[string]any, variable string) bool {
	return slices.Contains(settingsTexts(files), variable)
}

// resumeTalk checks the command line that takes up a session by its name.
func (c *checker) resumeTalk(p place, h fleet.Harness) {
	c.argv(p.in("resumeTalk"), h.ResumeTalk, sessionVariable)
	named := strings.Contains(strings.Join(h.ResumeTalk, " "), sessionVariable)
	switch {
	case len(h.ResumeTalk) > 0 && !named:
		c.error(p.in("resumeTalk"), "must hold "+sessionVariable, "which session else shall it take up?")
	case named && h.SessionName == nil:
		c.error(p.in("sessionName"), "is missing: resumeTalk takes up a session by its name", "say where the program prints it")
	case !named && h.SessionName != nil && !c.failedBelow(p):
		c.error(p.in("sessionName"), "has no effect without resumeTalk", "take it out")
	}
}

func (c *checker) argv(p place, argv []string, more ...string) {
	c.templates(p, argv, more...)
	if len(argv) > 0 && (argv[0] == "" || strings.HasPrefix(argv[0], "-") || template.MatchString(argv[0])) {
		c.error(p.at(0), show(argv[0])+" is not a program", "the first item is the program, the others its arguments")
	}
}

// templates checks the variables of a command line; more are those that it alone has.
func (c *checker) templates(p place, argv []string, more ...string) {
	names := slices.Concat(templateNames, more)
	for i, item := range argv {
		for _, t := range template.FindAllString(item, -1) {
			if !slices.Contains(names, t) {
				c.error(p.at(i), show(t)+" is not a variable of a command line", "variables: "+strings.Join(names, ", "))
			}
		}
	}
}

func (c *checker) etcFolder(p place, h fleet.Harness) {
	switch {
	case h.SettingsDir == "" && (len(h.Settings) > 0 || h.LaidSettings()):
		c.error(p, "is missing", `settings must be bound somewhere, such as "/etc/my-agent"`)
	case h.SettingsDir != "" && len(h.Settings) == 0 && !h.LaidSettings():
		c.error(p, "has no effect without settings", "take it out")
	case slices.Contains(takenEtc, path.Base(h.SettingsDir)):
		c.error(p, show(h.SettingsDir)+" is the system's own", "name a folder that only this harness reads")
	}
}

// homePath demands a path that cannot leave the home.
func (c *checker) homePath(p place, name string) {
	if name != "" && (!filepath.IsLocal(name) || path.Clean(name) != name || name == ".") {
		c.error(p, show(name)+" is not a path below the home", "write it without . and .. and without a slash at its end")
	}
}

// settingsTexts are all texts of a value, keys too.
func settingsTexts(v any) (out []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, item := range v {
			out = append(out, settingsTexts(item)...)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(append(out, key), settingsTexts(v[key])...)
		}
	}
	return out
}
