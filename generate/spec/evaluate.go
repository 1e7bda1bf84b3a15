package spec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-jsonnet"
	"github.com/google/go-jsonnet/ast"

	"fleet/schemas/report"
)

// maxStack bounds nested calls, so that an endless recursion ends in an error; Jsonnet's own default.
const maxStack = 500

// evaluate runs the Jsonnet program. A cancelled context ends the wait, not the evaluation.
func evaluate(ctx context.Context, tree *sources, o Options) ([]byte, error) {
	type outcome struct {
		text string
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		text, err := run(tree, o)
		done <- outcome{text, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case got := <-done:
		return []byte(got.text), got.err
	}
}

func run(tree *sources, o Options) (string, error) {
	vm := jsonnet.MakeVM()
	vm.MaxStack = maxStack
	vm.Importer(newImporter(tree))
	vm.SetTraceOut(io.Discard)
	if o.Trace != nil {
		vm.SetTraceOut(o.Trace)
	}
	set(o.ExtStr, vm.ExtVar)
	set(o.ExtCode, vm.ExtCode)
	node, _, err := vm.ImportAST("", tree.spec)
	if err != nil {
		return "", jsonnetError(err, tree.shown)
	}
	if err := checkArguments(vm, tree.spec, o); err != nil {
		return "", err
	}
	set(o.TLAStr, vm.TLAVar)
	set(o.TLACode, vm.TLACode)
	text, err := vm.Evaluate(node)
	return text, jsonnetError(err, tree.shown)
}

func set(values map[string]string, to func(key, value string)) {
	for k, v := range values {
		to(k, v)
	}
}

// checkArguments refuses arguments for a spec that is no function: Jsonnet itself would drop them.
func checkArguments(vm *jsonnet.VM, file string, o Options) error {
	if len(o.TLAStr)+len(o.TLACode) == 0 {
		return nil
	}
	kind, err := vm.EvaluateAnonymousSnippet("", fmt.Sprintf("std.type(import %q)", file))
	if err != nil || kind == "\"function\"\n" {
		return nil // what is wrong with the spec, its own evaluation says better
	}
	return entry("", "takes no arguments, since it is not a function",
		"begin it with function(NAME='default'), or leave out --tla-str and --tla-code")
}

// jsonnetError turns an error of the interpreter into an entry that says where, what and by which way.
func jsonnetError(err error, shown func(string) string) error {
	if err == nil {
		return nil
	}
	var runtime jsonnet.RuntimeError
	if errors.As(err, &runtime) {
		where, way := frames(runtime.StackTrace, shown)
		if m := importedFault.FindStringSubmatch(runtime.Msg); m != nil {
			return entry(fmt.Sprintf("%s:%s:%s", shown(m[1]), m[2], m[3]), plainMessage(m[4]), "imported in "+where)
		}
		return entry(where, plainMessage(runtime.Msg), hintFor(runtime.Msg, way))
	}
	var static interface{ Loc() ast.LocationRange }
	if errors.As(err, &static) {
		loc := static.Loc()
		return entry(location(loc, shown), plainMessage(strings.TrimPrefix(err.Error(), loc.String())), "")
	}
	return entry("", err.Error(), "")
}

// importedFault is the form in which a fault of syntax in an imported file arrives, its place being part of the text.
var importedFault = regexp.MustCompile(`^(.+?):\(?(\d+):(\d+)\)?(?:-\S+)? (.+)$`)

// shownFrames bounds the way shown to an error.
const shownFrames = 4

// frames returns the place nearest to the error and the calls that led to it.
func frames(trace []jsonnet.TraceFrame, shown func(string) string) (where, way string) {
	var places []string
	for _, f := range slices.Backward(trace) {
		if at := location(f.Loc, shown); f.Loc.WithCode() && (len(places) == 0 || places[len(places)-1] != at) {
			places = append(places, at)
		}
	}
	if len(places) == 0 {
		return "", ""
	}
	rest := places[1:]
	if len(rest) > shownFrames {
		rest = append(rest[:shownFrames:shownFrames], "...")
	}
	if len(rest) > 0 {
		way = "reached from " + strings.Join(rest, ", ")
	}
	return places[0], way
}

func location(loc ast.LocationRange, shown func(string) string) string {
	if !loc.WithCode() {
		return shown(loc.FileName)
	}
	return fmt.Sprintf("%s:%d:%d", shown(loc.FileName), loc.Begin.Line, loc.Begin.Column)
}

// plainMessage writes a message of the interpreter as ours are: it begins small and has no full stop.
func plainMessage(s string) string {
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	if len(s) > 1 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}

var (
	missingArgument = regexp.MustCompile(`^[Mm]issing argument: ([A-Za-z_][A-Za-z0-9_]*)`)
	missingVariable = regexp.MustCompile(`^[Uu]ndefined external variable: ([A-Za-z_][A-Za-z0-9_]*)`)
)

// hintFor names the remedy of the slips that are made on a command line.
func hintFor(message, way string) string {
	if m := missingArgument.FindStringSubmatch(message); m != nil && way == "" {
		return "give it with --tla-str " + m[1] + "=VALUE"
	}
	if m := missingVariable.FindStringSubmatch(message); m != nil {
		return "give it with --ext-str " + m[1] + "=VALUE"
	}
	if strings.HasPrefix(message, "max stack frames") {
		return "a function or an object may refer to itself without an end"
	}
	return way
}

// entry is an error that is one entry of a report. where may be empty.
func entry(where, message, hint string) error {
	var r report.Report
	r.Add(report.Entry{Where: where, Message: message, Hint: hint})
	return r.Err()
}

// refuse returns err as a report about file, unless it is one already that names a place.
func refuse(file string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var found *report.Err
	if !errors.As(err, &found) {
		return entry(file, err.Error(), "")
	}
	var r report.Report
	r.Merge(file, found.Report)
	return r.Err()
}
