package slack

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	slackgo "github.com/slack-go/slack"

	"fleet/cmd/fleet-chat/internal/backend"
)

// What a message of ours is, as its metadata says. People do not see it and cannot write it.
const (
	postMark  = "fleet_post"  // a part of a Post
	taskMark  = "fleet_task"  // a part of a task that was made with Create
	stateMark = "fleet_state" // the news in a task's thread that its state is another
	claimMark = "fleet_claim" // a claim
)

// mark is the metadata of a message of ours.
type mark struct {
	kind string
	id   string // of the effect or the claim
	part int    // of Post and Create, from 1 on

	agent    string // of a claim
	state    string // of tasks and news of them
	assignee string
	text     string // digest of title and body
	anew     bool   // of news: they are others than before
	prefix   string // of news: the state in the title at that time, "" is none
	seen     string // of news: the keys of wishes that it takes into account, spaces between
}

// key tells the messages of effects apart.
func (m *mark) key() string { return m.id + " " + strconv.Itoa(m.part) }

// digest tells titles and bodies of tasks apart.
func digest(t backend.Task) string { return short(t.Title + "\x00" + t.Body) }

// short tells texts apart in few letters.
func short(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:5])
}

// message is one that we write.
type message struct {
	text     string // mrkdwn
	thread   string // ts of its root; "" is none
	username string // "" is the bot's own
	mark     mark
}

// content is what is written, at first and anew. Names in it call nobody.
func (m *message) content() []slackgo.MsgOption {
	return []slackgo.MsgOption{
		slackgo.MsgOptionText(m.text, false),
		slackgo.MsgOptionMetadata(m.mark.metadata()),
		slackgo.MsgOptionParse(false),
		slackgo.MsgOptionLinkNames(false),
	}
}

// options is a new message. Slack does not fetch what it links to: an agent could tell secrets by that.
func (m *message) options() []slackgo.MsgOption {
	o := append(m.content(), slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl())
	if m.thread != "" {
		o = append(o, slackgo.MsgOptionTS(m.thread))
	}
	if m.username != "" {
		o = append(o, slackgo.MsgOptionUsername(m.username))
	}
	return o
}

func (m *mark) metadata() slackgo.SlackMetadata {
	payload := map[string]any{"id": m.id}
	for key, value := range map[string]string{
		"agent": m.agent, "state": m.state, "assignee": m.assignee, "text": m.text, "prefix": m.prefix, "seen": m.seen,
	} {
		if value != "" {
			payload[key] = value
		}
	}
	if m.anew {
		payload["anew"] = "yes"
	}
	if m.part > 0 {
		payload["part"] = strconv.Itoa(m.part)
	}
	return slackgo.SlackMetadata{EventType: m.kind, EventPayload: payload}
}

// markOf reads the metadata of a message. Only that of our own bots can be believed.
func markOf(m *slackgo.Message) mark {
	p := m.Metadata.EventPayload
	part, _ := strconv.Atoi(text(p["part"]))
	return mark{
		kind: m.Metadata.EventType, id: text(p["id"]), part: part, agent: text(p["agent"]), state: text(p["state"]),
		assignee: text(p["assignee"]), text: text(p["text"]), anew: text(p["anew"]) != "", prefix: text(p["prefix"]),
		seen: text(p["seen"]),
	}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
