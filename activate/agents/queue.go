package agents

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"fleet/activate/safefile"
	"fleet/schemas/manifest"
)

// Limits of what a person can queue.
const (
	MaxPrompt  = 100 << 10 // bytes; the runner passes it as one argument, of which Linux allows 128 KiB
	maxWaiting = 100       // prompts of one agent: they lie in memory
	lastNumber = 999999    // six digits
)

// doneFile is where the runner keeps the number of the last prompt that it took, in the agent's records.
const doneFile = "queue"

var queueName = regexp.MustCompile(`^[0-9]{6}$`)

// Queued tells where a prompt stands.
type Queued struct {
	Agent  string `json:"agent"`
	Number int    `json:"number"`
	Before int    `json:"before"` // prompts that wait before it
}

// CheckPrompt refuses a text that the runner could not pass on.
func CheckPrompt(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return errors.New("the prompt must not be empty")
	case len(text) > MaxPrompt:
		return fmt.Errorf("the prompt must have at most %d bytes, has %d\n  hint: put the text into a file that the agent can read", MaxPrompt, len(text))
	case strings.ContainsRune(text, 0):
		return errors.New("the prompt must not contain NUL")
	case !utf8.ValidString(text):
		return errors.New("the prompt must be UTF-8")
	}
	return nil
}

// Send queues a prompt for the agent's next session.
func (f *Fleet) Send(a manifest.Agent, text string) (Queued, error) {
	if err := CheckPrompt(text); err != nil {
		return Queued{}, err
	}
	dir := f.queueDir(a.Key)
	numbers, err := queueNumbers(dir)
	if err != nil {
		return Queued{}, fmt.Errorf("queue of %s: %w", a.Key, err)
	}
	done := f.done(a.Key)
	if err := f.prune(dir, numbers, done); err != nil {
		return Queued{}, fmt.Errorf("queue of %s: %w", a.Key, err)
	}
	waiting := after(numbers, done)
	if len(waiting) >= maxWaiting {
		return Queued{}, fmt.Errorf("queue of %s: %d prompts wait already, which is the most\n  hint: see what it does: sudo fleet logs %s",
			a.Key, len(waiting), a.Key)
	}
	gid, err := f.gid(a)
	if err != nil {
		return Queued{}, err
	}
	n, err := f.place(dir, max(done, highest(numbers))+1, []byte(text), gid)
	if err != nil {
		return Queued{}, fmt.Errorf("queue of %s: %w", a.Key, err)
	}
	return Queued{Agent: a.Key, Number: n, Before: len(waiting)}, nil
}

// Waiting returns how many prompts wait for the agent.
func (f *Fleet) Waiting(key string) int {
	numbers, err := queueNumbers(f.queueDir(key))
	if err != nil {
		return 0
	}
	return len(after(numbers, f.done(key)))
}

func (f *Fleet) queueDir(key string) string { return filepath.Join(f.AgentRun(key), "queue") }

// done returns the number that the agent says it has taken last. It can lie, and harms only itself: root's numbers go
// on from there.
func (f *Fleet) done(key string) int {
	d, err := safefile.Open(f.Records(key))
	if err != nil {
		return 0
	}
	defer d.Close()
	b, err := d.Read(doneFile, 16)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 0 || n > lastNumber {
		return 0
	}
	return n
}

// queueNumbers returns the numbers of the prompts in a queue, rising. A missing folder is an error: the agent's folder
// in /run is made when it first starts.
func queueNumbers(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && queueName.MatchString(e.Name()) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out, nil
}

func after(numbers []int, done int) []int {
	i, _ := slices.BinarySearch(numbers, done+1)
	return numbers[i:]
}

func highest(numbers []int) int {
	if len(numbers) == 0 {
		return 0
	}
	return numbers[len(numbers)-1]
}

// prune removes the prompts that were taken.
func (f *Fleet) prune(dir string, numbers []int, done int) error {
	for _, n := range numbers {
		if n > done {
			return nil
		}
		path := filepath.Join(dir, fmt.Sprintf("%06d", n))
		if err := f.fx.Do("remove "+path, func() error { return os.Remove(path) }); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// place puts a whole file at the first free number from n on. Two that send at once get two numbers, since link(2) never
// replaces.
func (f *Fleet) place(dir string, n int, text []byte, gid int) (int, error) {
	tmp, err := f.writePrompt(dir, text, gid)
	if err != nil {
		return 0, err
	}
	defer os.Remove(tmp)
	for ; n <= lastNumber; n++ {
		path := filepath.Join(dir, fmt.Sprintf("%06d", n))
		err := f.fx.Do("queue prompt", func() error { return os.Link(tmp, path) })
		if !errors.Is(err, fs.ErrExist) {
			return n, err
		}
	}
	return 0, fmt.Errorf("number %d is reached\n  hint: stop the agent and remove %s and the file %s in its records", lastNumber, dir, doneFile)
}

// writePrompt makes a file that the agent can read and only root can write. Its name begins with a dot, so that the
// runner passes it by.
func (f *Fleet) writePrompt(dir string, text []byte, gid int) (string, error) {
	var name string
	err := f.fx.Do("write prompt", func() error {
		tmp, err := os.CreateTemp(dir, ".new-")
		if err != nil {
			return err
		}
		name = tmp.Name()
		_, err = tmp.Write(text)
		return errors.Join(err, tmp.Chown(-1, gid), tmp.Chmod(0o440), tmp.Close())
	})
	if err != nil && name != "" {
		os.Remove(name)
	}
	return name, err
}
