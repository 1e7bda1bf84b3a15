package chat_test

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/chat"
	"fleet/schemas/report"
	"fleet/schemas/schematest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// full returns testdata/chat.json, which uses every key of a chat with slack.
func full(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("testdata/chat.json")
	must(t, err)
	return string(b)
}

func TestSchemas(t *testing.T) {
	schematest.Equal(t, "chat.schema.json", reflect.TypeFor[chat.Config]())
	schematest.Equal(t, "message.schema.json", reflect.TypeFor[chat.Message]())
	schematest.Equal(t, "task.schema.json", reflect.TypeFor[chat.Task]())
	schematest.Equal(t, "lesson.schema.json", reflect.TypeFor[chat.Lesson]())
	schematest.Equal(t, "wake.schema.json", reflect.TypeFor[chat.Wake]())
}

func TestRecordsFollowTheirSchemas(t *testing.T) {
	now := time.Date(2026, 5, 1, 13, 0, 0, 0, time.UTC)
	stranger := chat.Author{Kind: chat.KindPerson, ID: "U9", Name: "Mallory", Bot: true, Untrusted: true}
	for file, v := range map[string]any{
		"message.schema.json": chat.Message{
			Channel: "general", Seq: 3, Time: now, From: stranger, Thread: "task-7", To: []string{"lead"},
			Text: "hello", Cut: true,
		},
		"task.schema.json": chat.Task{
			Number: 7, Title: "t", Body: "b", State: chat.InProgress, Assignee: "lead", From: stranger,
			Created: now, Updated: now, Untrusted: true,
		},
		"lesson.schema.json": chat.Lesson{Number: 1, Time: now, From: stranger, Text: "x"},
		"wake.schema.json": chat.Wake{
			Reason: chat.WakeMention, Channel: "general", Thread: "task-7", Message: 3, Task: 7, Untrusted: true,
		},
	} {
		b, err := json.Marshal(v)
		must(t, err)
		schematest.Accepts(t, file, b)
	}
}

func TestRoundTrip(t *testing.T) {
	c, err := chat.Parse([]byte(full(t)))
	must(t, err)
	b, err := chat.Encode(c)
	must(t, err)
	if d := cmp.Diff(full(t), string(b)); d != "" {
		t.Error(d)
	}
	schematest.Accepts(t, "chat.schema.json", b)
	if c.Age() != 90*24*time.Hour || c.Agents[1].Title() != "Atlas" || c.Agents[2].Title() != "worker" {
		t.Errorf("got %s, %s, %s", c.Age(), c.Agents[1].Title(), c.Agents[2].Title())
	}
	for kind, backend := range map[string]chat.Backend{
		chat.Local:   {Kind: chat.Local},
		chat.Discord: {Kind: chat.Discord, Server: "1234567890", Token: "DISCORD_TOKEN"},
		chat.GitHub: {
			Kind: chat.GitHub, Repo: "acme/board.x", Token: "GITHUB_TOKEN", API: "https://github.example.com/api/v3",
		},
	} {
		of := chat.Config{
			Version: 1, Project: "demo", Backend: backend, Limits: c.Limits,
			Channels: []chat.Channel{{Key: chat.Alerts}, {Key: chat.General}, {Key: chat.Lessons}, {Key: chat.Tasks}},
		}
		b, err := chat.Encode(&of)
		must(t, err)
		schematest.Accepts(t, "chat.schema.json", b)
		if _, err := chat.Parse(b); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// All channels and no channel are two things, and stay so when they are written and read.
func TestSees(t *testing.T) {
	c, err := chat.Parse([]byte(full(t)))
	must(t, err)
	for key, want := range map[string][]string{
		"hermit": nil,
		"lead":   {"alerts", "general", "lead-room", "lessons", "tasks"},
		"worker": {"general", "tasks"},
	} {
		for _, a := range c.Agents {
			if a.Key != key {
				continue
			}
			var sees []string
			for _, one := range c.Channels {
				if a.Sees(one.Key) {
					sees = append(sees, one.Key)
				}
			}
			if d := cmp.Diff(want, sees); d != "" {
				t.Errorf("%s: %s", key, d)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := full(t)
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the file does not hold %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for want, text := range map[string]string{
		"must be JSON":                     "",
		"has version 2":                    edit(`"version": 1`, `"version": 2`),
		"has version 0":                    "{}",
		"unknown field":                    edit(`"trusted"`, `"truste"`),
		"order and spacing":                edit(`"project"`, `"Project"`),
		"must have at most":                strings.Repeat(" ", chat.MaxSize+1),
		"12 lower-case letters":            edit(`"demo"`, `"Demo"`),
		"must be local, discord, slack":    edit(`"slack"`, `"irc"`),
		"discord has none":                 edit(`"slack"`, `"discord"`),
		"must be a number":                 edit(`"slack"`, `"discord"`),
		"slack cannot do without":          edit(`"token": "SLACK_TOKEN",`, ``),
		"the backend is local":             edit(`"slack"`, `"local"`),
		"address without user name":        edit(`http://127`, `http://a:b@127`),
		"upper-case letters":               edit(`"SLACK_TOKEN"`, `"slack_token"`),
		`must have "lessons"`:              edit(`"lessons"`, `"lezzons"`),
		"at most 32 lower-case letters":    edit(`"lead-room"`, `"Lead"`),
		"channels[1].key":                  edit(`"general"`, `"alerts"`),
		"must be that of one channel":      edit(`"C2"`, `"C1"`),
		"ASCII characters without spaces":  edit(`"C2"`, `"C 2"`),
		"must be lower-case letters, digi": edit(`"key": "lead"`, `"key": "../lead"`),
		"agents[2].key":                    edit(`"key": "worker"`, `"key": "lead"`),
		"without control characters":       edit(`"Atlas"`, `"At\u202elas"`),
		"must have a socket":               edit("\"stdio\": \"stdio-hermit\",\n", ""),
		`"http-lead" must be there once`:   edit(`"http-worker"`, `"http-lead"`),
		`"control" must be there once`:     edit(`"http-worker"`, `"control"`),
		`"LEAD_TOKEN" must be there once`:  edit(`"LEAD_APP_TOKEN"`, `"LEAD_TOKEN"`),
		`"SLACK_TOKEN" must be there once`: edit(`"LEAD_TOKEN"`, `"SLACK_TOKEN"`),
		"must be a channel":                edit("\"general\",\n        \"tasks\"", "\"generals\",\n        \"tasks\""),
		"channels[1]":                      edit("\"general\",\n        \"tasks\"", "\"tasks\",\n        \"general\""),
		"that the agent sees":              edit(`"channels": null`, `"channels": []`),
		"must not be a channel of all":     edit(`"channel": "lead-room"`, `"channel": "tasks"`),
		"the path of a folder":             edit(`"/run/fleet/demo/chat/wake/lead"`, `"/run/../etc"`),
		"must not be there without slack":  edit("\"token\": \"LEAD_TOKEN\",\n      ", ""),
		"trusted[1]":                       edit(`"U2"`, `"U1"`),
		"limits.message":                   edit(`16384`, `1`),
		"limits.postsPerMinute":            edit(`60,`, `0,`),
		"limits.keepMessages":              edit(`100000,`, `1,`),
		"limits.keepFor":                   edit(`2160h0m0s`, `90d`),
		"limits.keepTasks":                 edit(`10000,`, `-1,`),
		"limits.keepLessons":               edit("1000\n", "1000000\n"),
	} {
		_, err := chat.Parse([]byte(text))
		var refused *report.Err
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestEveryFaultAtOnce(t *testing.T) {
	var c chat.Config
	r := c.Check()
	if len(r.Entries) < 10 || r.Entries[0].Where != chat.FileName {
		t.Errorf("got %s", r.String())
	}
}

// FuzzParse proves that what is accepted is written again as it was, so that two readers never see two things in it.
func FuzzParse(f *testing.F) {
	f.Add([]byte(full(f)))
	f.Add([]byte(`{"version":1,"agents":[{"key":"a","channels":null}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := chat.Parse(b)
		if err != nil {
			var refused *report.Err
			if !errors.As(err, &refused) {
				t.Errorf("%T", err)
			}
			return
		}
		again, err := chat.Encode(c)
		if err != nil || string(again) != string(b) {
			t.Errorf("written as %s, %v", again, err)
		}
	})
}
