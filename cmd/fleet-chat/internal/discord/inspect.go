package discord

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/bwmarrin/discordgo"
)

// A need is a permission of the fleet's bot, by the name that Discord's settings show.
type need struct {
	bit   int64
	name  string
	tasks bool // only where tasks are
}

var needs = []need{
	{discordgo.PermissionViewChannel, "View Channels", false},
	{discordgo.PermissionReadMessageHistory, "Read Message History", false},
	{discordgo.PermissionSendMessages, "Send Messages", false},
	{discordgo.PermissionSendMessagesInThreads, "Send Messages in Threads", false},
	{discordgo.PermissionCreatePublicThreads, "Create Public Threads", false},
	{discordgo.PermissionAddReactions, "Add Reactions", true},
	{discordgo.PermissionManageMessages, "Manage Messages", true}, // takes people's reactions away when they are heard
	{discordgo.PermissionManageThreads, "Manage Threads", true},   // gives people's threads titles
}

// permissions is the number for the invitation: 326417591360.
const permissions = discordgo.PermissionViewChannel | discordgo.PermissionReadMessageHistory |
	discordgo.PermissionSendMessages | discordgo.PermissionSendMessagesInThreads |
	discordgo.PermissionCreatePublicThreads | discordgo.PermissionAddReactions |
	discordgo.PermissionManageMessages | discordgo.PermissionManageThreads

// invitation is where an administrator of the server lets the bot in. A bot's user has the ID of its application.
func invitation(id string) string {
	return fmt.Sprintf("https://discord.com/oauth2/authorize?client_id=%s&scope=bot&permissions=%d",
		id, int64(permissions))
}

// inspect checks that the bot can do in all channels what it must, and says all that is missing.
func (b *Backend) inspect(ctx context.Context) error {
	id, err := b.fleet.me(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for _, ch := range b.channels {
		fault, err := b.inspectChannel(ctx, ch, id)
		if err != nil {
			return err
		}
		faults = append(faults, fault)
	}
	return errors.Join(faults...)
}

// inspectChannel returns what is wrong with a channel, or an error if that cannot be found out.
func (b *Backend) inspectChannel(ctx context.Context, ch channel, id string) (fault, err error) {
	where := "coordination.channels." + ch.key
	t, err := b.fleet.place(ctx, ch.id)
	switch {
	case isRefused(err):
		return fmt.Errorf("%s: there is no channel %s, or the bot cannot see it: check the ID, and invite the bot with %s",
			where, ch.id, invitation(id)), nil
	case err != nil:
		return nil, err
	case t.GuildID != b.server:
		return fmt.Errorf("%s: the channel %s is of the server %s, not of coordination.server %s",
			where, ch.id, t.GuildID, b.server), nil
	case t.Type != typeText && t.Type != typeAnnouncement && t.Type != typeForum:
		return fmt.Errorf("%s: the channel %s must be a text channel or a forum", where, ch.id), nil
	case t.Type == typeForum && !ch.tasks:
		return fmt.Errorf("%s: the channel %s must be a text channel: only tasks can be in a forum", where, ch.id), nil
	}
	has, err := b.fleet.permissions(ctx, id, ch.id)
	if err != nil {
		return nil, err
	}
	if missing := lacks(has, ch); len(missing) > 0 {
		return fmt.Errorf("%s: the bot lacks %s: allow them to its role in the channel's settings (Permissions),"+
			" or invite it again with %s", where, strings.Join(missing, ", "), invitation(id)), nil
	}
	return nil, nil
}

func lacks(has int64, ch channel) (missing []string) {
	for _, n := range needs {
		if has&n.bit == 0 && (ch.tasks || !n.tasks) {
			missing = append(missing, "\""+n.name+"\"")
		}
	}
	return missing
}

// permissions returns what a user may do in a channel.
func (b *bot) permissions(ctx context.Context, user, channel string) (int64, error) {
	has, err := b.rest.UserChannelPermissions(user, channel, discordgo.WithContext(ctx))
	if err != nil {
		return 0, b.fault(http.MethodGet+" permissions in channel "+channel, err)
	}
	return has, nil
}
