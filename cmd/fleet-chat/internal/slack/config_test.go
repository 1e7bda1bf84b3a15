package slack

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"fleet/schemas/chat"
)

func TestNew(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(c *chat.Config, tokens map[string]string)
		want   string
	}{
		"good": {func(*chat.Config, map[string]string) {}, ""},
		"no bot": {
			func(_ *chat.Config, tokens map[string]string) { delete(tokens, "SLACK_TOKEN") },
			"secret SLACK_TOKEN: is missing",
		},
		"empty": {
			func(_ *chat.Config, tokens map[string]string) { tokens["SLACK_TOKEN"] = "xoxb-" },
			"secret SLACK_TOKEN: must be the Bot User OAuth Token",
		},
		"exchanged": {
			func(_ *chat.Config, tokens map[string]string) {
				tokens["SLACK_TOKEN"], tokens["SLACK_APP_TOKEN"] = appToken, botToken
			},
			"secret SLACK_APP_TOKEN: must be an App-Level Token",
		},
		"user's token": {
			func(_ *chat.Config, tokens map[string]string) { tokens["SLACK_TOKEN"] = "xoxp-SECRET" },
			"sudo fleet secret set SLACK_TOKEN",
		},
		"two lines": {
			func(_ *chat.Config, tokens map[string]string) { tokens["SLACK_TOKEN"] = "xoxb-SECRET\nxoxb-SECRET" },
			"secret SLACK_TOKEN: must be",
		},
		"agent's": {
			func(c *chat.Config, tokens map[string]string) {
				c.Agents[0].Token, tokens["ADA"] = "ADA", "SECRET"
			},
			"secret ADA: must be the Bot User OAuth Token",
		},
		"agent's app": {
			func(c *chat.Config, tokens map[string]string) {
				c.Agents[0].Token, tokens["ADA"] = "ADA", adaToken
				c.Agents[0].AppToken, tokens["ADA_APP"] = "ADA_APP", adaToken
			},
			"secret ADA_APP: must be an App-Level Token",
		},
		"name": {
			func(c *chat.Config, _ map[string]string) { c.Channels[1].ID = "#general" },
			`coordination.channels.general: "#general" is no channel's ID`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, tokens := config()
			tt.change(c, tokens)
			_, err := New(c, Options{Log: logrus.New(), Token: func(credential string) (string, error) {
				if token, ok := tokens[credential]; ok {
					return token, nil
				}
				return "", errors.New("is missing")
			}})
			switch {
			case tt.want == "" && err != nil, tt.want != "" && err == nil:
				t.Fatalf("%v", err)
			case err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "SECRET-") ||
				strings.Contains(err.Error(), "xoxb-SECRET")):
				t.Errorf("%v", err)
			}
		})
	}
}

// All that is wrong is told at once.
func TestNewTellsAll(t *testing.T) {
	c, tokens := config()
	tokens["SLACK_TOKEN"], tokens["SLACK_APP_TOKEN"], c.Channels[0].ID = "xoxp-SECRET", "xoxb-SECRET", "alerts"
	_, err := New(c, Options{Log: logrus.New(), Token: func(credential string) (string, error) { return tokens[credential], nil }})
	for _, part := range []string{"secret SLACK_TOKEN", "secret SLACK_APP_TOKEN", "coordination.channels.alerts"} {
		if !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}
