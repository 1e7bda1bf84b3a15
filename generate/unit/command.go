package unit

import (
	"fmt"
	"strings"
)

// Command is a command line.
type Command struct {
	Prefix string   // of systemd.service(5): "", "+" or "!"
	Argv   []string // the first is an absolute path
	Fold   int      // from this argument on each stands on a line of its own; 0 is none
}

// Exec writes a command line.
func (s Section) Exec(key string, c Command) {
	v, err := c.text()
	s.put(key, v, err)
}

func (c Command) text() (string, error) {
	if len(c.Argv) == 0 {
		return "", fmt.Errorf("a command must have a program")
	}
	if c.Prefix != "" && c.Prefix != "+" && c.Prefix != "!" {
		return "", fmt.Errorf(`command prefix %q must be "+" or "!"`, c.Prefix)
	}
	v, err := program(c.Argv[0])
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(c.Prefix + v)
	for i, a := range c.Argv[1:] {
		word, err := argument(a)
		if err != nil {
			return "", err
		}
		if c.Fold > 0 && i+1 >= c.Fold {
			b.WriteString(" \\\n    ") // systemd joins the lines with a space
		} else {
			b.WriteByte(' ')
		}
		b.WriteString(word)
	}
	return b.String(), nil
}

// recorder is the command that notes which definition of a unit runs.
type recorder struct {
	entry   *entry
	program string
	args    []string
}

// text is the command line. Its first argument is %n, the name of the unit or instance that starts.
func (r *recorder) text(digest string) (string, error) {
	head, err := Command{Prefix: "+", Argv: []string{r.program}}.text()
	if err != nil {
		return "", err
	}
	words := []string{head, "%n", digest}
	for _, a := range r.args {
		w, err := argument(a)
		if err != nil {
			return "", err
		}
		words = append(words, w)
	}
	return strings.Join(words, " "), nil
}

// Record adds the command that notes, as root and before anything else of the service, which definition runs. The
// digest is filled in when the unit is complete.
func (s Section) Record(program string, args ...string) {
	r := &recorder{program: program, args: args}
	v, err := r.text("")
	if r.entry = s.put("ExecStartPre", v, err); r.entry != nil {
		s.unit.record = r
	}
}
