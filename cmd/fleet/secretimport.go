package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/activate/vault"
	"fleet/activate/vault/dotenv"
	"fleet/schemas/report"
)

func newSecretImportCmd(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Set values from a .env file, or from one that sops encrypted",
		Long: `Import sets every value of the file that is a secret of the live generation, or of the build that is here; names of
others are printed and left out, unless --all is given. A file called *.sops.yaml, .json or .env is decrypted by sops,
which runs as the user who called. All that is wrong with the file is said at once, and then nothing is changed.

A .env file has lines NAME=VALUE, with or without export; a # after a blank begins a comment. Values in single quotes are
taken as they are, in double quotes with \n, \t, \" and \\; both may go over several lines. Nothing is expanded.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.secretImport(cmd.Context(), args[0], all) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "also values that nothing uses")
	return cmd
}

func (a *app) secretImport(ctx context.Context, file string, all bool) error {
	h, err := a.secrets("import")
	if err != nil {
		return err
	}
	if !all && len(h.known) == 0 {
		return withStatus(exitRefused, errors.New("neither a live generation nor a build here uses secrets\n"+
			"  hint: fleet build first, or take everything with --all"))
	}
	vars, err := a.readVars(ctx, file)
	defer vault.Wipe(vars)
	if err != nil {
		return err
	}
	entries, err := vault.Entries(file, vars, func(name string) bool { return all || slices.Contains(h.known, name) })
	if err != nil {
		return err
	}
	left := h.leftOut(vars, entries)
	if len(left) > 0 {
		a.log.Warnf("left out, since nothing uses them: %s", strings.Join(left, ", "))
	}
	if len(entries) == 0 {
		return withStatus(exitRefused, fmt.Errorf("%s has no value that is used\n  hint: used are %s; --all takes everything",
			file, strings.Join(h.known, ", ")))
	}
	return a.secretPut(ctx, h, "import", entries, left)
}

// leftOut returns the names that are not among the entries, each with the one that may have been meant.
func (h *secretHost) leftOut(vars []dotenv.Var, entries []vault.Entry) []string {
	var out []string
	for _, v := range vars {
		if slices.ContainsFunc(entries, func(e vault.Entry) bool { return e.Name == v.Name }) {
			continue
		}
		name := v.Name
		if near := vault.Nearest(name, h.known); near != "" {
			name += " (did you mean " + near + "?)"
		}
		out = append(out, name)
	}
	return out
}

// sopsForm is what a file is called that sops decrypts.
var sopsForm = regexp.MustCompile(`\.sops\.(ya?ml|json|env)$`)

// readVars reads a file, which sops decrypts where its name says so. What it returns is the caller's to wipe, also with
// an error.
func (a *app) readVars(ctx context.Context, file string) ([]dotenv.Var, error) {
	path := a.path(file)
	if sopsForm.MatchString(path) {
		return a.sops(ctx, file, path)
	}
	text, err := readPlain(path, dotenv.MaxSize+1)
	defer clear(text)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(text, []byte("age-encryption.org/")) || bytes.HasPrefix(text, []byte("-----BEGIN AGE")) {
		return nil, withStatus(exitRefused, fmt.Errorf("%s is an age file\n"+
			"  hint: fleet switch brings it into the vault; fleet secret edit shows it", file))
	}
	vars, err := dotenv.Parse(text)
	return vars, inFile(file, err)
}

// inFile says in which file the faults of a report are.
func inFile(file string, err error) error {
	var refused *report.Err
	if !errors.As(err, &refused) {
		return err
	}
	var r report.Report
	r.Merge(file, refused.Report)
	return r.Err()
}

// sopsMissing is the shell's exit status for a program that is not found, see POSIX.1-2017, sh, 2.8.2.
const sopsMissing = 127

// sops decrypts a file as the person who called, who has the keys.
func (a *app) sops(ctx context.Context, file, path string) ([]dotenv.Var, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	text, err := a.commandOutput(ctx, dotenv.MaxSize+1, "sh", "-c", `exec sops --decrypt --output-type json "$1"`, "sh", path)
	defer clear(text)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == sopsMissing:
		return nil, withStatus(exitRefused, errors.New("sops is not installed for the user who called\n"+
			"  hint: install it (github.com/getsops/sops), or decrypt the file elsewhere and import it as .env"))
	case err != nil:
		return nil, withStatus(exitRefused, fmt.Errorf("decrypt %s: %w", file, err))
	}
	return flatten(file, text)
}

// flatten makes variables of a JSON object of texts, numbers and truth values.
func flatten(file string, text []byte) ([]dotenv.Var, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, withStatus(exitRefused, fmt.Errorf("%s must be one object of names and values", file))
	}
	var out []dotenv.Var
	var r report.Report
	for i, name := range slices.Sorted(maps.Keys(object)) {
		raw := object[name]
		var value string
		switch {
		case json.Unmarshal(raw, &value) == nil && string(raw) != "null":
		case len(raw) > 0 && strings.IndexByte("{[n", raw[0]) < 0:
			value = string(raw) // a number, true or false
		default:
			r.Add(report.Entry{
				Where: file, Path: name, Message: "must be a text", Hint: "values stand at the top, not in a list or below a name",
			})
			continue
		}
		out = append(out, dotenv.Var{Name: name, Value: []byte(value), Line: i + 1})
	}
	return out, r.Err()
}
