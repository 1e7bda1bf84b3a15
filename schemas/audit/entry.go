package audit

import "time"

// Entry is a record as it was read back: `fleet egress log --json` prints one a line, see entry.schema.json.
type Entry struct {
	Time time.Time `json:"time"` // when the journal took it
	Record
}
