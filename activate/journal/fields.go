package journal

import (
	"context"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"
)

// FieldsQuery says which records are wanted, and what of them.
type FieldsQuery struct {
	Namespace string    // of LogNamespace=, "" is the host's journal
	UIDs      []int     // of the users who wrote, which the kernel told the journal; none is nobody
	MessageID string    // of all
	Match     []string  // further NAME=VALUE, of different names
	Fields    []string  // wanted beside _UID
	Since     time.Time // zero: from the oldest on
	Lines     int       // the newest so many, 0 is all
	Follow    bool      // go on with new ones until ctx ends
}

// Fields are those of one record. Who wrote it can set all but Time and UID; nothing is escaped.
type Fields struct {
	Time time.Time
	UID  int
	All  map[string]string
}

// ReadFields calls each for every record, oldest first. An error of each ends it and is returned.
func ReadFields(ctx context.Context, q FieldsQuery, each func(Fields) error) error {
	if len(q.UIDs) == 0 {
		return nil // without a match, journalctl would show everybody's
	}
	wanted := map[int]bool{}
	for _, uid := range q.UIDs {
		wanted[uid] = true
	}
	return read(ctx, q.arguments(), func(out io.Reader) error {
		return lines(out, func(line []byte) error {
			if f, ok := q.parse(line); ok && wanted[f.UID] {
				return each(f)
			}
			return nil
		})
	})
}

func (q FieldsQuery) arguments() []string {
	args := []string{
		"--quiet", "--no-pager", "--all", "--output=json", "--output-fields=_UID,MESSAGE_ID," + strings.Join(q.Fields, ","),
	}
	if q.Namespace != "" {
		args = append(args, "--namespace="+q.Namespace)
	}
	if !q.Since.IsZero() {
		args = append(args, "--since=@"+strconv.FormatInt(q.Since.Unix(), 10))
	}
	count := "all"
	if q.Lines > 0 {
		count = strconv.Itoa(q.Lines)
	}
	args = append(args, "--lines="+count)
	if q.Follow {
		args = append(args, "--follow")
	}
	args = append(append(args, "MESSAGE_ID="+q.MessageID), q.Match...)
	for _, uid := range q.UIDs {
		args = append(args, "_UID="+strconv.Itoa(uid))
	}
	return args
}

func (q FieldsQuery) parse(line []byte) (Fields, bool) {
	var raw map[string]json.RawMessage
	if json.Unmarshal(line, &raw) != nil || field(raw["MESSAGE_ID"]) != q.MessageID {
		return Fields{}, false
	}
	usec, timeErr := strconv.ParseInt(field(raw["__REALTIME_TIMESTAMP"]), 10, 64)
	uid, uidErr := strconv.Atoi(field(raw["_UID"]))
	if timeErr != nil || uidErr != nil {
		return Fields{}, false
	}
	f := Fields{Time: time.UnixMicro(usec).UTC(), UID: uid, All: map[string]string{}}
	for _, name := range q.Fields {
		if v, ok := raw[name]; ok {
			f.All[name] = field(v)
		}
	}
	return f, true
}
