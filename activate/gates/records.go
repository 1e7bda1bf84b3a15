package gates

import (
	"context"
	"time"

	"fleet/activate/journal"
	"fleet/schemas/audit"
	"fleet/schemas/manifest"
)

// Query says which records are wanted.
type Query struct {
	Keys   []string  // of these agents and sidecars, all of the manifest where there is none
	Denied bool      // denials alone
	Since  time.Time // zero: from the oldest on
	Lines  int       // the newest so many, 0 is all
	Follow bool      // go on with new ones until ctx ends
}

// Records calls each for every record of the gates, oldest first. Whose a record is is told by the user who
// wrote it, whatever it says itself; texts in it are printable.
func Records(ctx context.Context, m *manifest.Manifest, q Query, each func(audit.Entry) error) error {
	key := map[int]string{}
	f := journal.FieldsQuery{
		Namespace: Namespace(m.Project), MessageID: audit.MessageID, Fields: audit.Fields(),
		Since: q.Since, Lines: q.Lines, Follow: q.Follow,
	}
	if q.Denied {
		f.Match = []string{audit.Prefix + "VERDICT=" + audit.Deny}
	}
	for _, k := range keys(m, q.Keys) {
		if uid := UID(m, k); uid != 0 {
			key[uid] = k
			f.UIDs = append(f.UIDs, uid)
		}
	}
	return journal.ReadFields(ctx, f, func(r journal.Fields) error {
		e, ok := entry(r, m.Project, key[r.UID])
		if !ok {
			return nil
		}
		return each(e)
	})
}

func keys(m *manifest.Manifest, wanted []string) []string {
	if len(wanted) > 0 {
		return wanted
	}
	var out []string
	for _, u := range m.Users {
		if u.Gate {
			out = append(out, u.Agent)
		}
	}
	return out
}

// entry reads a record; one that is none, or claims words that no gate has, is passed by.
func entry(f journal.Fields, project, key string) (audit.Entry, bool) {
	r, err := audit.FromFields(f.All)
	if err != nil || !known(r) {
		return audit.Entry{}, false
	}
	r.Project, r.Agent = project, key
	return audit.Entry{Time: f.Time, Record: r}, true
}

var (
	events   = map[string]bool{audit.Decision: true, audit.End: true, audit.Repeated: true}
	verdicts = map[string]bool{audit.Allow: true, audit.Deny: true, audit.Would: true, audit.Bypassed: true}
	kinds    = map[string]bool{"dns": true, "connect": true, "tcp": true, "tls": true, "http": true, "https": true, "dial": true}
)

func known(r audit.Record) bool {
	numbers := min(r.UID, r.Connection, int64(r.Port), r.Count, r.BytesUp, r.BytesDown, r.Micros)
	return events[r.Event] && verdicts[r.Verdict] && kinds[r.Kind] && numbers >= 0 && r.Port <= 65535
}
