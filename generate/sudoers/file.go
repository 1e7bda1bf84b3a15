// Package sudoers makes the rights that a generation gives through sudo: to operators, one fixed script for each agent
// and verb; to agents, the command lines that the spec lists for them. Every command has exact arguments.
package sudoers

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// File is a sudoers file. Text makes its only written form.
type File struct {
	Head   []string // comment lines
	Rights []Right
}

// Right lets somebody run commands as root without a password.
type Right struct {
	Note     string    // comment, such as the spec path
	User     string    // an OS user, or
	Group    string    // an OS group
	Alias    string    // name of the list of commands
	Commands []Command // at least one
	Service  bool      // User is a service's account: expired, and its sessions are not PAM's
}

// Command is a command line. Without arguments it may be run without arguments only.
type Command struct {
	Path string
	Args []string
}

var (
	ownerRe = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
	aliasRe = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
	// pathRe leaves out what sudoers(5) gives a meaning: wildcards, separators, escapes, and the slash at the end that
	// would stand for a whole folder.
	pathRe = regexp.MustCompile(`^(/[A-Za-z0-9_.+@-]+)+$`)
)

// ParseCommand reads a command line of the spec: words between single spaces, exactly as the program gets them. What
// sudo could not match exactly is refused.
func ParseCommand(line string) (Command, error) {
	words := strings.Split(line, " ")
	c := Command{Path: words[0], Args: words[1:]}
	_, err := c.text()
	return c, err
}

// text quotes the command for sudoers. Arguments are matched by fnmatch(3) over all of them joined by spaces, or as a
// regular expression where they begin with ^, so every character with a meaning gets a backslash or is refused.
func (c Command) text() (string, error) {
	base := c.Path[strings.LastIndexByte(c.Path, '/')+1:]
	switch {
	case !pathRe.MatchString(c.Path) || strings.Contains(c.Path+"/", "/./") || strings.Contains(c.Path+"/", "/../"):
		return "", fmt.Errorf("command %q must be an absolute path of letters, digits and _.+@-", c.Path)
	case base == "sudoedit":
		return "", fmt.Errorf("command %q must not be sudoedit", c.Path)
	case len(c.Args) == 0:
		return c.Path + ` ""`, nil
	}
	out := c.Path
	for _, a := range c.Args {
		q, err := quoteArg(a)
		if err != nil {
			return "", fmt.Errorf("command %q: %w", c.Path, err)
		}
		out += " " + q
	}
	return out, nil
}

func quoteArg(a string) (string, error) {
	switch {
	case a == "":
		return "", errors.New("arguments must be separated by one space, and none can be empty")
	case !utf8.ValidString(a) || strings.ContainsFunc(a, func(c rune) bool { return !unicode.IsPrint(c) || unicode.IsSpace(c) }):
		return "", fmt.Errorf("argument %q must not have white space, control or format characters", a)
	case strings.ContainsAny(a, `\"'^`):
		return "", fmt.Errorf(`argument %q must not have \, ", ' or ^: words are passed as they stand, without quotes`, a)
	}
	var b strings.Builder
	for _, c := range a {
		if strings.ContainsRune("*?[]!,:=#", c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String(), nil
}

// Text returns the file. All that cannot be written is in the error.
func (f *File) Text() (string, error) {
	w := &writer{}
	for _, line := range f.Head {
		w.note(line)
	}
	seen := map[string]bool{}
	for _, r := range f.Rights {
		if seen[r.Alias] {
			w.fail(fmt.Errorf("alias %s must not be defined twice", r.Alias))
		}
		seen[r.Alias] = true
		w.right(r)
	}
	return w.b.String(), errors.Join(w.errs...)
}

type writer struct {
	b    strings.Builder
	errs []error
}

func (w *writer) fail(err error) {
	if err != nil {
		w.errs = append(w.errs, err)
	}
}

// note writes a comment line. A backslash at its end would make the next line part of it, and a digit or include after
// the # would make it none.
func (w *writer) note(s string) {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) || c == '\\' }) {
		w.fail(fmt.Errorf(`comment %q must not have control characters or \`, s))
	}
	w.b.WriteString("# " + s + "\n")
}

// settings hold for every right: a clean environment, nothing of it by the caller's choice, and no terminal needed.
const settings = `env_reset, !setenv, !requiretty, secure_path="/usr/sbin:/usr/bin:/sbin:/bin"`

// serviceSettings besides: accounts of agents have expired, which PAM would refuse, and a session of PAM's would lead out
// of the agent's control group, and with it out of its containment.
const serviceSettings = settings + ", !pam_acct_mgmt, !pam_session, !lecture"

func (w *writer) right(r Right) {
	who := r.User
	if r.Group != "" {
		who = "%" + r.Group
	}
	if (r.User == "") == (r.Group == "") || !ownerRe.MatchString(strings.TrimPrefix(who, "%")) {
		w.fail(fmt.Errorf("right of user %q or group %q: must be one of them and match %s", r.User, r.Group, ownerRe))
	}
	if !aliasRe.MatchString(r.Alias) {
		w.fail(fmt.Errorf("alias %q must match %s", r.Alias, aliasRe))
	}
	var commands []string
	for _, c := range r.Commands {
		text, err := c.text()
		w.fail(err)
		commands = append(commands, "    "+text)
	}
	if len(commands) == 0 {
		w.fail(fmt.Errorf("alias %s: must have a command", r.Alias))
	}
	w.b.WriteByte('\n')
	w.note(r.Note)
	fmt.Fprintf(&w.b, "Cmnd_Alias %s = \\\n%s\n", r.Alias, strings.Join(commands, ", \\\n"))
	if r.Service {
		fmt.Fprintf(&w.b, "Defaults:%s %s\n", who, serviceSettings)
	} else {
		fmt.Fprintf(&w.b, "Defaults!%s %s\n", r.Alias, settings)
	}
	fmt.Fprintf(&w.b, "%s ALL = (root) NOPASSWD: %s\n", who, r.Alias)
}
