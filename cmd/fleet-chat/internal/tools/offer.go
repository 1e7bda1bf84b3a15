package tools

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"fleet/cmd/fleet-chat/internal/hub"
	"fleet/schemas/chat"
)

// offer adds the tools.
func (s *Side) offer() {
	if len(s.agent.Channels()) > 0 {
		add(s, "channels", about{title: "List channels", reads: true}, s.channels)
		add(s, "read", about{title: "Read messages", reads: true}, s.read)
		add(s, "post", about{title: "Say something"}, s.post)
		// What the agent's runner calls. The model has no use for them, and would pay for their descriptions.
		add(s, "conversations", about{title: "List who waits for an answer", reads: true, hidden: true}, s.conversations)
		add(s, "answer", about{title: "Answer in a conversation", hidden: true}, s.answer)
	}
	if s.agent.Sees(chat.Tasks) {
		add(s, "tasks", about{title: "List tasks, or read one", reads: true}, s.tasks)
		add(s, "task_create", about{title: "Make a task"}, s.taskCreate)
		add(s, "task_claim", about{title: "Take a task"}, s.taskClaim)
		add(s, "task_update", about{title: "Change a task"}, s.taskUpdate)
		add(s, "task_done", about{title: "End a task"}, s.taskDone)
	}
	if s.agent.Sees(chat.Lessons) {
		add(s, "lessons", about{title: "Read lessons", reads: true}, s.lessons)
		add(s, "lesson_add", about{title: "Tell a lesson"}, s.lessonAdd)
	}
}

// about says what kind of tool it is.
type about struct {
	title  string
	reads  bool // changes nothing, but for what is acknowledged
	hidden bool // not listed
}

// add adds a tool whose input is bounded by what bounds says of its keys.
func add[In, Out any](s *Side, name string, a about, f func(ctx context.Context, in In) (Out, error)) {
	s.hidden[name] = a.hidden
	yes, no := true, false
	mcp.AddTool(s.server, &mcp.Tool{
		Name: name, Title: a.title, Description: s.describe(name), InputSchema: inputOf[In](s.Kit, name, a),
		Annotations: &mcp.ToolAnnotations{
			Title: a.title, ReadOnlyHint: a.reads, DestructiveHint: &no, OpenWorldHint: &yes,
		},
	}, func(ctx context.Context, _ *mcp.CallToolRequest, in In) (*mcp.CallToolResult, Out, error) {
		out, err := f(ctx, in)
		return nil, out, s.told(name, err)
	})
}

// inputOf is the schema of a tool's input.
func inputOf[In any](k *Kit, name string, a about) *jsonschema.Schema {
	k.mu.Lock()
	defer k.mu.Unlock()
	if have := k.schemas[name]; have != nil {
		return have
	}
	input, err := jsonschema.For[In](nil)
	if err != nil {
		panic(fmt.Sprintf("the schema of %s: %v", name, err)) // of our own types
	}
	for key, property := range input.Properties {
		if set := bounds[key]; set != nil && !a.hidden {
			set(property, k.limits)
		}
	}
	k.schemas[name] = input
	return input
}

// told is an error as the agent gets it.
func (s *Side) told(name string, err error) error {
	if err == nil || hub.IsRefused(err) {
		return err
	}
	s.log.WithError(err).WithField("tool", name).Error("a call failed")
	return errors.New(faulty)
}

// Bounds of what is listed.
const (
	usualPage, maxPage = 50, 200
	maxList            = 100  // entries of a list that is given
	maxKey             = 64   // characters
	maxNumber          = 1e15 // which JSON's readers read exactly
)

// bounds are those of the keys of all tools.
var bounds = map[string]func(p *jsonschema.Schema, l *chat.Limits){
	"text":  long,
	"body":  long,
	"note":  long,
	"title": func(p *jsonschema.Schema, _ *chat.Limits) { p.MaxLength = ptr(1024) }, // the hub says better what is over
	"key": func(p *jsonschema.Schema, _ *chat.Limits) {
		p.Pattern, p.MaxLength = "^[A-Za-z0-9._-]+$", ptr(maxKey)
	},
	"channel":     name,
	"behind":      name,
	"thread":      name,
	"assignee":    name,
	"to":          names,
	"channels":    names,
	"states":      states,
	"state":       func(p *jsonschema.Schema, _ *chat.Limits) { p.Enum = enum(chat.States) },
	"number":      from(0),
	"before":      from(0),
	"after":       from(0),
	"seen":        from(0),
	"acknowledge": positions,
	"limit": func(p *jsonschema.Schema, _ *chat.Limits) {
		p.Minimum, p.Maximum = ptr(1.0), ptr(float64(maxPage))
		p.Default = fmt.Appendf(nil, "%d", usualPage)
	},
}

func ptr[T any](v T) *T { return &v }

func enum(all []string) (out []any) {
	for _, s := range all {
		out = append(out, s)
	}
	return out
}

// long is a text; the hub counts its bytes.
func long(p *jsonschema.Schema, l *chat.Limits) { p.MaxLength = ptr(l.Message) }

func name(p *jsonschema.Schema, _ *chat.Limits) { p.MaxLength = ptr(maxKey) }

func names(p *jsonschema.Schema, _ *chat.Limits) {
	p.MaxItems, p.Items.MaxLength = ptr(maxList), ptr(maxKey)
}

func states(p *jsonschema.Schema, l *chat.Limits) {
	names(p, l)
	p.Items.Enum = enum(chat.States)
}

func positions(p *jsonschema.Schema, _ *chat.Limits) {
	p.Type, p.Types, p.MaxProperties = "", []string{"null", "object"}, ptr(chat.MaxChannels+1)
	p.AdditionalProperties.Minimum, p.AdditionalProperties.Maximum = ptr(0.0), ptr(maxNumber)
}

func from(least float64) func(p *jsonschema.Schema, _ *chat.Limits) {
	return func(p *jsonschema.Schema, _ *chat.Limits) { p.Minimum, p.Maximum = ptr(least), ptr(maxNumber) }
}
