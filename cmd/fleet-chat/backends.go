package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-chat/internal/backend"
	"fleet/cmd/fleet-chat/internal/discord"
	"fleet/cmd/fleet-chat/internal/github"
	"fleet/cmd/fleet-chat/internal/slack"
	"fleet/cmd/internal/credential"
	"fleet/schemas/chat"
)

// maxToken is far above what any of these services hands out, in bytes.
const maxToken = 16 << 10

// connect makes the backend that the configuration names, nil where people read on this host alone. It does not connect yet.
// dir has the tokens, by the names that the configuration has of them.
func connect(c *chat.Config, dir string, log *logrus.Logger) (backend.Backend, error) {
	if c.Backend.Kind == chat.Local {
		return nil, nil
	}
	tokens, err := readTokens(c, dir)
	if err != nil {
		return nil, err
	}
	switch c.Backend.Kind {
	case chat.Discord:
		return discord.New(c, discord.Options{Tokens: tokens, Log: log})
	case chat.Slack:
		token := func(name string) (string, error) { return tokens[name], nil }
		return slack.New(c, slack.Options{Token: token, Log: log})
	case chat.GitHub:
		of := map[string]github.Token{}
		for name, value := range tokens {
			of[name] = github.NewToken(value)
		}
		return github.New(c, github.Options{Tokens: of, Log: log})
	}
	return nil, fmt.Errorf("backend.kind %q is none that this program knows", c.Backend.Kind)
}

// readTokens reads all that the configuration names, and tells of all that are missing. No error has a value.
func readTokens(c *chat.Config, dir string) (map[string]string, error) {
	names := []string{c.Backend.Token, c.Backend.AppToken}
	for i := range c.Agents {
		names = append(names, c.Agents[i].Token, c.Agents[i].AppToken)
	}
	folder, err := credential.Open(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	out := map[string]string{}
	var errs []error
	for _, name := range names {
		if name == "" {
			continue
		}
		value, err := folder.Read(name, maxToken)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = fmt.Errorf("secret %s has no value: sudo fleet secret set %s", name, name)
		case err == nil && len(value) == 0:
			err = fmt.Errorf("secret %s is empty: sudo fleet secret set %s", name, name)
		case err != nil:
			err = fmt.Errorf("secret %s: %w", name, err)
		}
		errs = append(errs, err)
		out[name] = string(value)
	}
	return out, errors.Join(errs...)
}
