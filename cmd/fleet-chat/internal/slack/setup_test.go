package slack

import (
	"context"
	"strings"
	"testing"
	"time"

	"fleet/cmd/internal/slackstub"
)

// What is not set up in Slack is an error that says what to do there, once, without any secret.
func TestSetup(t *testing.T) {
	for name, tt := range map[string]struct {
		wrong func(l *lab)
		want  []string // parts of the error
	}{
		"bot's token": {
			func(l *lab) { l.tokens["SLACK_TOKEN"] = "xoxb-1-SECRET-other" },
			[]string{"secret SLACK_TOKEN: ", "invalid_auth", "OAuth & Permissions"},
		},
		"app's token": {
			func(l *lab) { l.tokens["SLACK_APP_TOKEN"] = "xapp-1-SECRET-other" },
			[]string{"secret SLACK_APP_TOKEN: ", "invalid_auth", "connections:write", "Basic Information"},
		},
		"revoked": {
			func(l *lab) { l.s.Go(slackstub.Wrong{Method: "auth.test", Error: "token_revoked"}) },
			[]string{"secret SLACK_TOKEN: ", "token_revoked"},
		},
		"scopes": {
			func(l *lab) {
				l.fleet.Scopes = []string{"chat:write", "channels:history", "channels:read", "groups:read"}
			},
			[]string{
				"secret SLACK_TOKEN: ", "chat:write.customize", "groups:history", "im:history", "im:read", "metadata.message:read",
				"reactions:read", "reactions:write", "users:read", "reinstall",
			},
		},
		"another workspace": {
			func(l *lab) { l.config.Backend.Server = "T0OTHER" },
			[]string{`coordination.server: is "T0OTHER"`, "secret SLACK_TOKEN is of the workspace \"T0HOME\""},
		},
		"no connections": {
			func(l *lab) { l.fleet.NoConnections = true },
			[]string{"secret SLACK_APP_TOKEN: ", "connections:write"},
		},
		"socket mode": {
			func(l *lab) { l.fleet.NoSocketMode = true },
			[]string{"secret SLACK_APP_TOKEN: ", "Socket Mode"},
		},
		"socket mode, told by silence": {
			func(l *lab) { l.s.Fail(slackstub.Socket{Refuse: 100}) },
			[]string{"secret SLACK_APP_TOKEN: ", "Socket Mode"},
		},
		"channels": {
			func(l *lab) {
				l.channel("general", "C0NOWHERE")
				l.channel("lessons", "C0LESSONS")
				l.s.Add(&slackstub.Channel{ID: "C0LESSONS"}, &slackstub.Channel{ID: "G0ALERTS"},
					&slackstub.Channel{ID: "C0TASKS", Members: []string{"UFLEET"}, Archived: true})
			},
			[]string{
				"coordination.channels.general: Slack knows no channel C0NOWHERE",
				"coordination.channels.lessons: the bot is not in channel C0LESSONS: open the channel in Slack and write /invite",
				"coordination.channels.alerts: Slack knows no channel G0ALERTS, or the bot may not see it",
				"coordination.channels.tasks: channel C0TASKS is archived",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				tt.wrong(l)
				b := l.backend()
				ctx, cancel := context.WithTimeout(l.t.Context(), time.Hour)
				defer cancel()
				err := b.Run(ctx, l.inbox)
				if err == nil {
					t.Fatalf("no error: %s", l.logged())
				}
				l.silent(err.Error())
				for _, part := range tt.want {
					if strings.Count(err.Error(), part) != 1 {
						t.Errorf("%q is not once in: %v", part, err)
					}
				}
			})
		})
	}
}

// What is unset while the fleet runs ends it with the same words.
func TestSetupLater(t *testing.T) {
	for name, tt := range map[string]struct{ wrong, want string }{
		"thrown out": {"not_in_channel", "coordination.channels.general: the bot is not in channel C0GENERAL"},
		"revoked":    {"token_revoked", "secret SLACK_TOKEN: Slack refuses the bot's token (token_revoked)"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(l *lab) {
				ended := make(chan error, 1)
				b := l.backend()
				go func() { ended <- b.Run(l.t.Context(), l.inbox) }()
				l.settle(10 * time.Second)
				l.s.Go(slackstub.Wrong{Method: "conversations.history", Error: tt.wrong})
				l.s.Say("U1", "C0GENERAL", "", "hi")
				if err := <-ended; err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}
