package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"fleet/cmd/fleet-chat/internal/clean"
	"fleet/schemas/chat"
)

const toolUsage = `usage: fleet-chat tool --socket SOCKET [--get PLACE]... NAME [KEY=TEXT | KEY:=JSON | KEY@FILE]...

Calls a tool of the chat as the agent whose socket it is, and prints the result as JSON; with --get, one line for each
place in it, such as task.number or conversations.0.thread, which is empty where there is nothing. FILE is - for the
input; more than 64 KiB of it are cut off. Exit status: 1 where the chat refuses, 2 for wrong usage, 3 where the chat
is not reached.

`

// Exit statuses of tool.
const (
	exitRefused = 1 + iota
	exitUsage
	exitUnreached
)

// toolTime bounds a call: a claim may have to wait for the place where people read along.
const toolTime = 90 * time.Second

// maxLine is how many characters of a value --get prints.
const maxLine = 4096

// places are the values of --get.
type places []string

func (p *places) String() string { return strings.Join(*p, " ") }

// Set adds one.
func (p *places) Set(s string) error {
	*p = append(*p, s)
	return nil
}

// tool calls one tool and returns the exit status.
func tool(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("fleet-chat tool", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() { fmt.Fprint(stderr, toolUsage); f.PrintDefaults() }
	socket := f.String("socket", "", "the agent's `socket`, as stdio servers speak")
	var get places
	f.Var(&get, "get", "print this `place` of the result")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return exitUsage
	}
	if *socket == "" || f.NArg() == 0 {
		fmt.Fprint(stderr, toolUsage)
		return exitUsage
	}
	in, err := arguments(f.Args()[1:], stdin)
	if err != nil {
		fmt.Fprintln(stderr, "fleet-chat:", err)
		return exitUsage
	}
	out, status, err := callTool(*socket, f.Arg(0), in)
	if err == nil {
		err = printResult(stdout, out, get)
	}
	if err != nil {
		fmt.Fprintln(stderr, "fleet-chat:", err)
		return max(status, exitRefused)
	}
	return 0
}

// arguments makes the tool's input of words.
func arguments(words []string, stdin io.Reader) (map[string]any, error) {
	in := map[string]any{}
	for _, word := range words {
		n := strings.IndexAny(word, "=@:")
		if n < 1 {
			return nil, fmt.Errorf("%.60q must be KEY=TEXT, KEY:=JSON or KEY@FILE", word)
		}
		key, kind, value := word[:n], word[n], word[n+1:]
		switch kind {
		case '=':
			in[key] = value
		case '@':
			text, err := readText(value, stdin)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			in[key] = text
		default:
			value, ok := strings.CutPrefix(value, "=")
			if !ok || !json.Valid([]byte(value)) {
				return nil, fmt.Errorf("%.60q must be KEY:=JSON", word)
			}
			in[key] = json.RawMessage(value)
		}
	}
	return in, nil
}

func readText(path string, stdin io.Reader) (string, error) {
	from := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		from = f
	}
	b, err := io.ReadAll(io.LimitReader(from, chat.MaxMessage))
	return strings.ToValidUTF8(string(b), "\uFFFD"), err
}

// callTool returns the structured result of a call, or the exit status that an error has.
func callTool(socket, name string, in map[string]any) (json.RawMessage, int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), toolTime)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, exitUnreached, fmt.Errorf("the chat is not reached: %w", err)
	}
	defer c.Close()
	client := mcp.NewClient(&mcp.Implementation{Name: "fleet-chat-tool", Version: "1"}, nil)
	session, err := client.Connect(ctx, &mcp.IOTransport{Reader: c, Writer: c}, nil)
	if err != nil {
		return nil, exitUnreached, fmt.Errorf("the chat does not answer: %w", err)
	}
	defer session.Close()
	res, err := session.CallTool(ctx, &mcp.CallToolParams{Name: name, Arguments: in})
	if err != nil {
		return nil, exitRefused, err
	}
	if res.IsError {
		return nil, exitRefused, errors.New(textOf(res))
	}
	out, err := json.Marshal(res.StructuredContent)
	return out, exitRefused, err
}

func textOf(res *mcp.CallToolResult) string {
	for _, c := range res.Content {
		if t, ok := c.(*mcp.TextContent); ok {
			return clean.Line(t.Text, maxLine)
		}
	}
	return "it failed and does not say why"
}

// printResult prints all of a result, or some places.
func printResult(w io.Writer, out json.RawMessage, get places) error {
	if len(get) == 0 {
		_, err := fmt.Fprintf(w, "%s\n", out)
		return err
	}
	var all any
	d := json.NewDecoder(strings.NewReader(string(out)))
	d.UseNumber()
	if err := d.Decode(&all); err != nil {
		return err
	}
	for _, place := range get {
		if _, err := fmt.Fprintln(w, lineOf(find(all, place))); err != nil {
			return err
		}
	}
	return nil
}

// find goes down by keys and indices.
func find(v any, place string) any {
	for _, step := range strings.Split(place, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(in) {
				return nil
			}
			v = in[n]
		default:
			return nil
		}
	}
	return v
}

// lineOf is a value in one line, which has nothing in it that a terminal or a shell's read would take for more.
func lineOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return clean.Line(v, maxLine)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return clean.Line(string(b), maxLine)
}
