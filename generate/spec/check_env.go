package spec

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Variables that fleet, systemd or tmux set, and by which the agent's unit works.
var ownVariables = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "SHLVL", "TMUX", "TMUX_PANE", "TMUX_TMPDIR",
	"XDG_RUNTIME_DIR",
	"DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "SSH_AUTH_SOCK", "NOTIFY_SOCKET", "INVOCATION_ID",
	"JOURNAL_STREAM",
	"MAINPID", "MANAGERPID", "SYSTEMD_EXEC_PID", "CREDENTIALS_DIRECTORY", "RUNTIME_DIRECTORY", "STATE_DIRECTORY",
	"CACHE_DIRECTORY", "LOGS_DIRECTORY", "CONFIGURATION_DIRECTORY", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE",
}

// Beginnings of such variables.
var ownPrefixes = []string{"FLEET_", "LISTEN_", "WATCHDOG_", "SUDO_"}

// Variables by which a shell or the dynamic linker runs other code than it was told to. In a unit they would reach the
// programs that systemd starts as root before the agent, too.
var loaderVariables = []string{
	"ENV", "BASH_ENV", "BASHOPTS", "SHELLOPTS", "PS4", "IFS", "CDPATH", "GLOBIGNORE", "PROMPT_COMMAND", "GLIBC_TUNABLES",
	"GCONV_PATH", "LOCPATH", "NLSPATH", "HOSTALIASES", "RES_OPTIONS", "LOCALDOMAIN", "MALLOC_CHECK_", "MALLOC_TRACE",
	"TZDIR",
	"POSIXLY_CORRECT", "_",
}

// Beginnings of such variables.
var loaderPrefixes = []string{"LD_", "BASH_FUNC_", "SYSTEMD_"}

// env checks names and values of an environment.
func (c *checker) env(p place, env map[string]string) {
	sum := 0
	for _, name := range slices.Sorted(maps.Keys(env)) {
		at, value := p.in(name), env[name]
		sum += len(name) + len(value) + 2
		c.variable(at, name)
		c.length(at, value, valueLimit)
		checkSecretVariable(c.faults, at, name, value)
	}
	if sum > envLimit {
		c.error(p, fmt.Sprintf("must have at most %d KiB together, has %d", envLimit/kib, sum/kib),
			"put long texts into files")
	}
}

// variable refuses the name of a variable that is fleet's, or that makes programs run other code.
func (c *checker) variable(at place, name string) {
	begins := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
	switch {
	case slices.Contains(ownVariables, name) || slices.ContainsFunc(ownPrefixes, begins):
		c.error(at, name+" is set by fleet or systemd",
			"programs that need another value get it in their own command line or in a hook")
	case slices.Contains(loaderVariables, name) || slices.ContainsFunc(loaderPrefixes, begins):
		c.error(at, name+" makes shells and programs run other code, also those outside the agent's containment",
			"set it in a script around the one program that needs it")
	}
}
