package store

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	bolt "go.etcd.io/bbolt"

	"fleet/schemas/chat"
)

// Buckets. Numbers in keys are eight bytes, the highest first, so that keys sort as numbers do. A place is what a thread
// can be about: CHANNEL/THREAD, such as tasks/task-7 or general/message-12.
var (
	bMeta     = []byte("fleet-chat")
	bMessages = []byte("messages") // channel -> number -> message
	bThread   = []byte("thread")   // place NUL number -> nothing: the messages of a thread
	bThreads  = []byte("threads")  // number -> place of a thread that began where we did not see it
	bParts    = []byte("parts")    // place NUL agent -> nothing: who has written there
	bCursors  = []byte("cursors")  // agent NUL channel -> the last message that it has acknowledged
	bJoined   = []byte("joined")   // agent -> when it was new, in nanoseconds
	bKeys     = []byte("keys")     // kind NUL author NUL key -> place of what was made with it
	bTasks    = []byte("tasks")    // number -> task
	bStates   = []byte("states")   // state, number -> nothing
	bClaims   = []byte("claims")   // number, agent -> the claim's ID at the backend
	bOutbox   = []byte("outbox")   // channel -> number -> effect that is still to be brought about
	bEffects  = []byte("effects")  // effect's ID -> place
	bRefs     = []byte("refs")     // the backend's ref -> place
	bPlaces   = []byte("places")   // place -> the backend's ref
	bDirect   = []byte("direct")   // place of a conversation with a bot -> the backend's channel
	bMarks    = []byte("marks")    // channel NUL the backend's ID of it -> the backend's mark
	bEvents   = []byte("events")   // event's ID -> its number
	bEventLog = []byte("eventlog") // number -> event's ID
	bTalks    = []byte("talks")    // agent NUL place -> what a person said there and waits for an answer to
	bAlerts   = []byte("alerts")   // text -> how often it was raised and not told

	buckets = [][]byte{
		bMeta, bMessages, bThread, bThreads, bParts, bCursors, bJoined, bKeys, bTasks, bStates, bClaims, bOutbox, bEffects, bRefs, bPlaces,
		bMarks, bEvents, bEventLog, bTalks, bAlerts, bDirect,
	}

	// Keys of bMeta.
	kVersion = []byte("version")
	kProject = []byte("project")
	kBackend = []byte("backend") // what it is that refs, marks and events are of
	kTasks   = []byte("tasks")   // the ID there of the channel of tasks
	kDone    = []byte("done")    // how many tasks are
	kTold    = []byte("told")    // when the last alerts were told
)

func be8(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// num reads what be8 wrote; 0 for anything else.
func num(b []byte) int64 {
	if len(b) != 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b))
}

func joined(parts ...string) []byte { return []byte(strings.Join(parts, "\x00")) }

func cursorKey(agent, channel string) []byte { return joined(agent, channel) }

// messages is the bucket of a channel of the configuration.
func messages(tx *bolt.Tx, channel string) *bolt.Bucket {
	return tx.Bucket(bMessages).Bucket([]byte(channel))
}

// place of a message, a task or a thread.
func place(channel, thread string) string { return channel + "/" + thread }

func messageThread(seq int64) string { return "message-" + strconv.FormatInt(seq, 10) }

// TaskThread is the name of a task's thread.
func TaskThread(number int64) string { return "task-" + strconv.FormatInt(number, 10) }

func taskPlace(number int64) string { return place(chat.Tasks, TaskThread(number)) }

// Thread takes the name of a thread apart: "task", "message" or "thread", and a number. It is not ok where it is none.
func Thread(name string) (kind string, number int64, ok bool) {
	kind, digits, _ := strings.Cut(name, "-")
	number, err := strconv.ParseInt(digits, 10, 64)
	ok = err == nil && number > 0 && strconv.FormatInt(number, 10) == digits &&
		slices.Contains([]string{"task", "message", "thread"}, kind)
	return kind, number, ok
}

func stateKey(state string, number int64) []byte {
	return append([]byte{byte(slices.Index(chat.States, state))}, be8(number)...)
}

// put stores a value as JSON.
func put(b *bolt.Bucket, key []byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.Put(key, text)
}

// get reads a value, and tells whether there is one.
func get(b *bolt.Bucket, key []byte, v any) (bool, error) {
	text := b.Get(key)
	if text == nil {
		return false, nil
	}
	return true, decode(text, v)
}

// decode reads what put has written. Anything else is not what was written, which guard makes an error of.
func decode(text []byte, v any) error {
	if err := json.Unmarshal(text, v); err != nil {
		return &unreadable{err}
	}
	return nil
}

// unreadable is a value that put did not write.
type unreadable struct{ err error }

func (u *unreadable) Error() string { return fmt.Sprintf("an entry cannot be read: %v", u.err) }

func (u *unreadable) Unwrap() error { return u.err }
