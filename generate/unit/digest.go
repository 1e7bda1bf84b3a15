package unit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// digestSize is how many hex digits of the SHA-256 are used.
const digestSize = 32

// digest identifies what the unit means: comments, Description=, Documentation=, keys that only fleet reads and the
// line that holds the digest itself do not count, so that a new title or a reload does not make what runs look old.
func (u *Unit) digest() string {
	h := sha256.New()
	for _, s := range u.sections {
		for _, e := range s.entries {
			if e.Name == "Description" || e.Name == "Documentation" || strings.HasPrefix(e.Name, "X-Fleet-") ||
				u.record != nil && e == u.record.entry {
				continue
			}
			fmt.Fprintf(h, "%s\x00%s\x00%s\n", s.name, e.Name, e.Value)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:digestSize]
}

// seal puts the digest into the recorder's command.
func (u *Unit) seal() {
	if u.record == nil || u.record.entry == nil {
		return
	}
	v, err := u.record.text(u.digest())
	u.fault(u.From, err)
	u.record.entry.Value = v
}

// recordRe is matched against a line that begins with recordBegin; searching the whole text for it costs ten times more.
var recordRe = regexp.MustCompile(`^[0-9a-f]{32}-record \S+ ([0-9a-f]{32})(?:\s|$)`)

const recordBegin = "ExecStartPre=+/var/lib/fleet/store/"

// Digest returns the digest that the text of a unit file makes a running instance record, "" where it records none.
func Digest(text []byte) string {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(recordBegin)); ok {
			if m := recordRe.FindSubmatch(rest); m != nil {
				return string(m[1])
			}
		}
	}
	return ""
}
