package spec

import (
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"fleet/schemas/fleet"
)

var (
	template      = regexp.MustCompile(`\{\{[^{}]*\}\}`)
	templateNames = []string{"{{model}}", "{{effort}}", "{{prompt}}", "{{settings}}", "{{mcp}}"}
	programName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)
)

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
	if h.TurnEnd == "stop-hook" && h.Settings == "none" {
		c.error(p.in("turnEnd"), `"stop-hook" needs managed settings to put the hook in`,
			`set settings: "claude-code" or turnEnd: "exit"`)
	}
}

func (c *checker) argv(p place, argv []string) {
	c.templates(p, argv)
	if len(argv) > 0 && (argv[0] == "" || strings.HasPrefix(argv[0], "-") || template.MatchString(argv[0])) {
		c.error(p.at(0), show(argv[0])+" is not a program", "the first item is the program, the others its arguments")
	}
}

func (c *checker) templates(p place, argv []string) {
	for i, item := range argv {
		for _, t := range template.FindAllString(item, -1) {
			if !slices.Contains(templateNames, t) {
				c.error(p.at(i), show(t)+" is not a variable of a command line", "variables: "+strings.Join(templateNames, ", "))
			}
		}
	}
}

func (c *checker) etcFolder(p place, h fleet.Harness) {
	switch {
	case h.SettingsDir == "" && h.Settings != "none":
		c.error(p, "is missing", fmt.Sprintf("settings %q must be bound somewhere, such as \"/etc/my-agent\"", h.Settings))
	case h.SettingsDir != "" && h.Settings == "none":
		c.error(p, `has no effect with settings "none"`, "take it out")
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
