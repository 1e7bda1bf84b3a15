package unit

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// digestSize is how many hex digits of the SHA-256 are used.
const digestSize = 32

// digest identifies what the unit means: comments, Description=, Documentation=, keys that only fleet reads and the
// line that holds the digest itself do not count, so that a new title or a reload does not make what runs look old.
func (u *Unit) digest() string {
	h := sha256.New()
	var line []byte
	for _, s := range u.sections {
		for _, e := range s.entries {
			if e.key == "Description" || e.key == "Documentation" || strings.HasPrefix(e.key, "X-Fleet-") ||
				u.record != nil && e == u.record.entry {
				continue
			}
			line = append(append(line[:0], s.name...), 0)
			line = append(append(line, e.key...), 0)
			line = append(append(line, e.value...), '\n')
			h.Write(line)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:digestSize]
}

// seal puts the digest into the recorder's command.
func (u *Unit) seal() {
	if u.record == nil {
		return
	}
	v, err := u.record.text(u.digest())
	u.fault(u.From, err)
	u.record.entry.value = v
}
