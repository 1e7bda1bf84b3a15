package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fleet/schemas/report"
)

// app is what the commands share: the global flags and the streams. Results go to out, progress and diagnosis to log.
type app struct {
	dir, file, project string
	json, quiet        bool
	verbose, noColor   bool
	warned             bool // the spec's warnings have been shown

	in  io.Reader
	out io.Writer
	err io.Writer
	log *logrus.Logger
}

// run executes one command line and returns the exit status. Only it prints errors.
func run(args []string, in io.Reader, out, errOut io.Writer) (status int) {
	a := &app{in: in, out: out, err: errOut, log: logrus.New()}
	a.log.SetOutput(errOut)
	a.log.SetFormatter(plain{})
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(errOut, "fleet: internal error: %v\n  hint: this is a bug; run again with -v and report what it prints\n", p)
			if a.verbose {
				fmt.Fprintf(errOut, "%s", debug.Stack())
			}
			status = exitFailed
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRootCmd(a)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err != nil && err.Error() != "" {
		fmt.Fprintln(errOut, a.errorText(err))
	}
	return statusOf(err)
}

func (a *app) errorText(err error) string {
	text := err.Error()
	if a.json {
		data, mErr := json.Marshal(map[string]any{"error": text, "status": statusOf(err)})
		if mErr == nil {
			return string(data)
		}
	}
	return text
}

func newRootCmd(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "fleet",
		Short:         "Run teams of AI coding agents, each contained by the kernel",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			a.setLevel()
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := root.PersistentFlags()
	f.StringVarP(&a.dir, "chdir", "C", ".", "work in this folder")
	f.StringVarP(&a.file, "file", "f", "", "the spec (default fleet.jsonnet; .json and .yaml work too)")
	f.StringVar(&a.project, "project", "", "the project to act on (default: the only one)")
	f.BoolVar(&a.json, "json", false, "print results as JSON")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "print only errors")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "print details")
	f.BoolVar(&a.noColor, "no-color", false, "no colours (also by NO_COLOR)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	groups, all := commands(a)
	root.AddGroup(groups...)
	root.AddCommand(all...)
	refuseArgs(root)
	return root
}

// refuseArgs makes cobra's complaints about arguments a matter of wrong usage.
func refuseArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usage(fmt.Errorf("%w\n  hint: see %s --help", err, c.CommandPath()))
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		refuseArgs(c)
	}
}

func (a *app) setLevel() {
	switch {
	case a.quiet:
		a.log.SetLevel(logrus.ErrorLevel)
	case a.verbose:
		a.log.SetLevel(logrus.DebugLevel)
	}
}

// path returns p below the working folder of -C, unless it is absolute.
func (a *app) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(a.dir, p)
}

// print writes a result for people.
func (a *app) print(format string, args ...any) { fmt.Fprintf(a.out, format, args...) }

// result prints v as JSON where --json asks for it, else text.
func (a *app) result(v any, text string) error {
	if a.json {
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	if text != "" {
		a.print("%s\n", strings.TrimRight(text, "\n"))
	}
	return nil
}

// warn shows the warnings of a report.
func (a *app) warn(r report.Report) {
	if a.warned {
		return // a command that compiles twice, for a host and for golden
	}
	a.warned = true
	for _, e := range r.Entries {
		if e.Severity == report.Warning {
			a.log.Warn(e.String())
		}
	}
}

// color reports whether results may be coloured.
func (a *app) color() bool {
	f, ok := a.out.(*os.File)
	return ok && !a.noColor && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd()))
}

// plain prints a log entry as its bare message: the reader of a command line needs no time and no level.
type plain struct{}

func (plain) Format(e *logrus.Entry) ([]byte, error) { return []byte(e.Message + "\n"), nil }
