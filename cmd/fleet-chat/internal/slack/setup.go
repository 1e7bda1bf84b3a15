package slack

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	slackgo "github.com/slack-go/slack"
)

// scopes are what the fleet's bot must be allowed to do.
var scopes = []string{
	"channels:history", "channels:read", "chat:write", "chat:write.customize", "groups:history", "groups:read",
	"im:history", "im:read", "metadata.message:read", "reactions:read", "reactions:write", "users:read",
}

// ownScopes are what an agent's own bot must be allowed to do, to be talked to.
var ownScopes = []string{"chat:write", "im:history", "im:read"}

// verify looks whether all is set up in Slack for the fleet's bot, and names everything that is not.
func (b *Backend) verify(ctx context.Context) error {
	if err := b.identify(ctx, b.fleet, ""); err != nil {
		return b.asSetup(err, "", b.fleet)
	}
	errs := []error{b.missing(b.fleet, scopes), b.elsewhere()}
	for _, key := range sorted(b.channels) {
		errs = append(errs, b.member(ctx, key))
	}
	return errors.Join(errs...)
}

// elsewhere looks whether the token is of the workspace that the spec names.
func (b *Backend) elsewhere() error {
	if team := b.team(); b.server != "" && team != b.server {
		return fmt.Errorf("coordination.server: is %q, and the bot of secret %s is of the workspace %q: "+
			"install the app in the one workspace, or name the other", b.server, b.fleet.credential, team)
	}
	return nil
}

// missing names the scopes that a token has not.
func (b *Backend) missing(c *client, scopes []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.scopes == nil {
		return nil
	}
	lacks := slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return c.scopes[s] })
	if len(lacks) == 0 {
		return nil
	}
	return fmt.Errorf("secret %s: the bot lacks the scopes %s: add them in Slack's app page under OAuth & "+
		"Permissions, Bot Token Scopes, and reinstall the app", c.credential, strings.Join(lacks, ", "))
}

// member looks whether the fleet's bot is in a channel.
func (b *Backend) member(ctx context.Context, key string) error {
	id := b.channels[key]
	var info *slackgo.Channel
	err := b.fleet.call(ctx, "conversations.info", id, func(ctx context.Context) (err error) {
		info, err = b.fleet.api.GetConversationInfoContext(ctx, &slackgo.GetConversationInfoInput{ChannelID: id})
		return err
	})
	switch {
	case err != nil:
		return b.asSetup(err, key, b.fleet)
	case info.IsArchived:
		return b.setupError(&fault{method: "conversations.info", code: "is_archived", kind: setup}, key, b.fleet)
	case !info.IsMember:
		return b.setupError(&fault{method: "conversations.info", code: "not_in_channel", kind: setup}, key, b.fleet)
	}
	return nil
}

// asSetup is an error that only a person can mend, as the person has to read it; others stay what they are.
func (b *Backend) asSetup(err error, channel string, c *client) error {
	var f *fault
	if errors.As(err, &f) && f.kind == setup {
		return b.setupError(f, channel, c)
	}
	return err
}

// setupFault is an error that only a person can mend.
type setupFault struct{ text string }

func (e *setupFault) Error() string { return e.text }

func (b *Backend) setupError(f *fault, channel string, c *client) error {
	key := "secret " + c.credential
	if channel != "" && !tokenCodes[f.code] && f.code != "missing_scope" {
		key = "coordination.channels." + channel
	}
	return &setupFault{fmt.Sprintf("%s: %s", key, b.remedy(f, channel))}
}

// remedy says what is wrong and what a person has to do in Slack.
func (b *Backend) remedy(f *fault, channel string) string {
	id := b.channels[channel]
	switch {
	case f.code == "missing_scope":
		return fmt.Sprintf("Slack wants the scope %s for %s: add it in Slack's app page under OAuth & Permissions, "+
			"Bot Token Scopes, and reinstall the app", or(f.needed, "that it names"), f.method)
	case tokenCodes[f.code] && f.method == "apps.connections.open":
		return fmt.Sprintf("Slack refuses the app's token (%s): make an App-Level Token with the scope "+
			"connections:write in Slack's app page under Basic Information", f.code)
	case tokenCodes[f.code]:
		return fmt.Sprintf("Slack refuses the bot's token (%s): copy the Bot User OAuth Token from Slack's app page "+
			"under OAuth & Permissions, after installing the app there", f.code)
	case f.code == "not_in_channel":
		return fmt.Sprintf("the bot is not in channel %s: open the channel in Slack and write /invite @ and the bot's "+
			"name", id)
	case f.code == "channel_not_found":
		return fmt.Sprintf("Slack knows no channel %s, or the bot may not see it: compare the ID with that in the "+
			"channel's details, and if the channel is private write /invite @ and the bot's name in it", id)
	case f.code == "is_archived":
		return fmt.Sprintf("channel %s is archived: unarchive it in Slack or name another", id)
	default:
		return fmt.Sprintf("Slack refuses %s (%s): ask the workspace's admin what the app may do",
			f.method, f.code)
	}
}
