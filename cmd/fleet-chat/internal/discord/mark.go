package discord

import (
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"strings"
)

// mark says which effect a message is of. It stands at the end of the message's text in characters that no program
// draws: U+2061 to U+2064, the invisible operators of Unicode. Discord keeps them as they are; extensions of its
// client that hide text in messages (StegCloak) live by that. What is sent never has them elsewhere, and only messages
// of our own bots are read for marks, so neither an agent nor a person can forge one. The field "nonce" of a message
// would be the better place, but Discord tells it only when the message is new, not in the history.
type mark struct {
	id   string // of the effect or claim
	kind kind
	part int // of several messages
}

// note is what else a mark tells of its message.
type note struct {
	form   form
	digest string // of the task's text in its latest form, "" if the message is not about one
}

// form tells what was added to a piece of text, or taken away, to make it a message. It is a sum of flags.
type form byte

const (
	named    form = 1 << iota // the first line is the author's name
	headed                    // then comes the task's whole title, and an empty line
	reopened                  // then a line that opens a block of code again
	broken                    // the last line closes a block of code that goes on
	tailLow
	tailHigh // both together: the number of the tail in tails
)

// tails are ends of a piece that Discord would draw as empty lines above the mark.
var tails = [4]string{"", " ", "\n", "\n\n"}

func (f form) has(flag form) bool { return f&flag != 0 }

func (f form) tail() string { return tails[f/tailLow&3] }

type kind byte

const (
	ofPost  kind = 'p'
	ofTask  kind = 't' // its first text
	ofState kind = 's' // a line that says what became of a task, with its new text if it has one
	ofPress kind = 'r' // such a line after a person's reaction; its ID is of no effect, see derived
	ofClaim kind = 'c'
)

// isLine tells a line about a task's state.
func (k kind) isLine() bool { return k == ofState || k == ofPress }

const (
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
	symbols  = "\u2061\u2062\u2063\u2064"
	guard    = "\u2061" // stands before white space at the beginning of a message, which Discord would take away
	idLength = 26
	partMost = 64*64 - 1

	digestLength = 6
	wide         = 3 // symbols for each letter
	headLength   = idLength + 4
	markLength   = wide * (headLength + digestLength) // code points, at most
)

// validID tells whether an effect's ID can be written as a mark.
func validID(id string) bool {
	return len(id) == idLength && strings.Trim(id, alphabet[:62]) == ""
}

// text is the mark as it stands in a message.
func (m mark) text(n note) string {
	var s strings.Builder
	letters := append([]byte(m.id), byte(m.kind), alphabet[m.part/64], alphabet[m.part%64], alphabet[n.form])
	for _, c := range append(letters, n.digest...) {
		at := strings.IndexByte(alphabet, c)
		for shift := 4; shift >= 0; shift -= 2 {
			s.WriteString(symbols[3*(at>>shift&3):][:3])
		}
	}
	return s.String()
}

// readMark returns the mark at the end of a text, and what is before it. Where there is none, ok is false.
func readMark(text string) (m mark, n note, rest string, ok bool) {
	rest = strings.TrimRight(text, symbols)
	all, ok := letters(text[len(rest):])
	if !ok || len(all) != headLength && len(all) != headLength+digestLength || !validID(all[:idLength]) {
		return mark{}, note{}, text, false
	}
	m = mark{id: all[:idLength], kind: kind(all[idLength])}
	for _, c := range []byte(all[idLength+1:][:2]) {
		m.part = m.part*64 + strings.IndexByte(alphabet, c)
	}
	return m, note{form(strings.IndexByte(alphabet, all[headLength-1])), all[headLength:]}, rest, true
}

func letters(text string) (string, bool) {
	var s []byte
	n, have := 0, 0
	for _, r := range text {
		n = n<<2 | int(r-'\u2061')
		if have++; have == wide {
			s = append(s, alphabet[n])
			n, have = 0, 0
		}
	}
	return string(s), have == 0
}

// nonce is unique for the message: Discord returns the message that it has already, if it is asked within some minutes.
// It has at most 25 characters.
func (m mark) nonce() string {
	sum := sha256.Sum256([]byte(m.text(note{})))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:25]
}

// digest is what is remembered of a task's text, in order to see whether it has changed.
func digest(body string) string {
	sum := sha256.Sum256([]byte(strings.TrimSpace(clean(body))))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:digestLength]
}

// derived returns an ID in the form of an effect's for what a person did. It is the same on all hosts.
func derived(event string) string {
	sum := sha256.Sum256([]byte(event))
	text := strings.Repeat("0", idLength) + new(big.Int).SetBytes(sum[:]).Text(62)
	return text[len(text)-idLength:]
}
