package discord

import "time"

// What is read of Discord's objects. The types of discordgo are not used for messages: one refuses a whole page of
// history for one message with a component that it does not know.

type user struct {
	ID         string `json:"id"`
	Username   string `json:"username"`
	GlobalName string `json:"global_name"`
	Bot        bool   `json:"bot"`
}

func (u user) name() string {
	if u.GlobalName != "" {
		return u.GlobalName
	}
	return u.Username
}

type member struct {
	Nick string `json:"nick"`
	User user   `json:"user"`
}

func (m *member) name() string {
	if m.Nick != "" {
		return m.Nick
	}
	return m.User.name()
}

type emoji struct {
	Name string `json:"name"`
}

type message struct {
	ID        string   `json:"id"`
	ChannelID string   `json:"channel_id"`
	GuildID   string   `json:"guild_id"`
	Type      int      `json:"type"`
	Content   string   `json:"content"`
	Author    user     `json:"author"`
	Member    *member  `json:"member"`
	WebhookID string   `json:"webhook_id"`
	Mentions  []user   `json:"mentions"`
	Replied   *message `json:"referenced_message"`
	Files     []struct {
		Name string `json:"filename"`
		URL  string `json:"url"`
	} `json:"attachments"`
	Reactions []struct {
		Emoji emoji `json:"emoji"`
		Me    bool  `json:"me"`
	} `json:"reactions"`
}

// Types of messages. The name of a thread that has been changed is told by a message in it, from who changed it, which
// nobody can delete.
const (
	typeDefault     = 0
	typeRenamed     = 4
	typeReply       = 19
	typeCommand     = 20
	typeContextMenu = 23
)

// thread is a channel or a thread, which Discord calls a channel too.
type thread struct {
	ID       string `json:"id"`
	GuildID  string `json:"guild_id"`
	Type     int    `json:"type"`
	Name     string `json:"name"`
	ParentID string `json:"parent_id"`
	OwnerID  string `json:"owner_id"`
	Last     string `json:"last_message_id"`
	Fresh    bool   `json:"newly_created"`
	Meta     *struct {
		Archived   bool      `json:"archived"`
		ArchivedAt time.Time `json:"archive_timestamp"`
		CreatedAt  time.Time `json:"create_timestamp"`
	} `json:"thread_metadata"`
}

// Types of channels.
const (
	typeText         = 0
	typeDirect       = 1
	typeAnnouncement = 5
	typeNewsThread   = 10
	typePublicThread = 11
	typeForum        = 15
)

func (t *thread) isThread() bool { return t.Type == typeNewsThread || t.Type == typePublicThread }

// created returns the ID of the time when the thread was opened: later than its own if it was opened at an older
// message.
func (t *thread) created() string {
	if t.Meta == nil || t.Meta.CreatedAt.IsZero() {
		return t.ID
	}
	return later(t.ID, idAt(t.Meta.CreatedAt))
}

type reaction struct {
	UserID    string  `json:"user_id"`
	ChannelID string  `json:"channel_id"`
	MessageID string  `json:"message_id"`
	Member    *member `json:"member"`
	Emoji     emoji   `json:"emoji"`
}
