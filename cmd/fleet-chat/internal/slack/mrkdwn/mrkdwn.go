// Package mrkdwn writes Markdown as Slack's mrkdwn, and reads mrkdwn as people see it. What it writes never calls
// anybody: a mention, of a person, of @channel or of @here, is live in Slack only between < and >, and those are
// escaped.
//
// See https://docs.slack.dev/messaging/formatting-message-text.
package mrkdwn

import (
	"strings"
	"unicode"
)

var (
	escaper   = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	unescaper = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">")
)

// Escape returns text as mrkdwn shows it, but for what * _ ~ and ` do. Control characters go, lines and tabs stay.
func Escape(text string) string {
	return escaper.Replace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text))
}

// Line returns text as Escape does, in one line.
func Line(text string) string { return Escape(strings.Join(strings.Fields(text), " ")) }

// Kind is what a token of mrkdwn is.
type Kind int

// Kinds.
const (
	Text    Kind = iota // Value is the text, unescaped
	User                // Value is a user's ID
	Channel             // Value is a channel's ID
	Special             // Value is what follows the !: here, channel, subteam^ID, date^...
	Link                // Value is the address
)

// Token is a part of a message.
type Token struct {
	Kind  Kind
	Value string
	Label string // as the message gives it, unescaped; often none
}

// Parse takes a message apart. All of it is in the tokens: what begins like a token and does not end is text.
func Parse(message string) []Token {
	var tokens []Token
	for message != "" {
		text, rest, _ := strings.Cut(message, "<")
		if text != "" {
			tokens = append(tokens, Token{Kind: Text, Value: unescaper.Replace(text)})
		}
		if len(text) == len(message) {
			break
		}
		inner, after, ok := strings.Cut(rest, ">")
		if !ok || inner == "" || strings.ContainsAny(inner, "<\n") {
			tokens = append(tokens, Token{Kind: Text, Value: "<"})
			message = rest
			continue
		}
		tokens = append(tokens, token(inner))
		message = after
	}
	return tokens
}

func token(inner string) Token {
	value, label, _ := strings.Cut(inner, "|")
	t := Token{Kind: Link, Value: unescaper.Replace(value), Label: unescaper.Replace(label)}
	for first, kind := range map[string]Kind{"@": User, "#": Channel, "!": Special} {
		if rest, ok := strings.CutPrefix(t.Value, first); ok && rest != "" {
			t.Kind, t.Value = kind, rest
		}
	}
	return t
}

// Plain returns a message as people see it. user returns the name of the user with an ID.
func Plain(tokens []Token, user func(id string) string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString(t.plain(user))
	}
	return b.String()
}

func (t Token) plain(user func(id string) string) string {
	switch t.Kind {
	case User:
		return "@" + user(t.Value)
	case Channel:
		return "#" + or(t.Label, t.Value)
	case Special:
		return special(t)
	case Link:
		return link(t)
	default:
		return t.Value
	}
}

func special(t Token) string {
	name, _, _ := strings.Cut(t.Value, "^")
	if name == "date" && t.Label != "" {
		return t.Label
	}
	return "@" + strings.TrimPrefix(or(t.Label, t.Value), "@")
}

func link(t Token) string {
	address := strings.TrimPrefix(t.Value, "mailto:")
	if t.Label == "" || t.Label == address || t.Label == t.Value {
		return address
	}
	return t.Label + " (" + address + ")"
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
