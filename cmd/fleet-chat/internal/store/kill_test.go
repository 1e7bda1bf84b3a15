package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"fleet/schemas/chat"
)

// TestMain is the process that is killed where a test started it.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TEST_WRITER"); dir != "" {
		if err := writer(dir, os.Getenv("TEST_FROM")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const writers, killed = 8, 30

// big is a chat that drops nothing while a test runs.
func big() *chat.Config {
	c := sample()
	c.Limits.KeepMessages = 10_000_000
	return c
}

// writer posts from several goroutines, each rising numbers, reads and acknowledges, and makes tasks and claims them. It
// says of each number that its post was acknowledged. It never ends by itself.
func writer(dir, from string) error {
	s, err := Open(dir, big())
	if err != nil {
		return err
	}
	fmt.Println("ready")
	starts := strings.Fields(from)
	failed := make(chan error)
	for w := range writers {
		go func() { failed <- write1(s, w, starts[w]) }()
	}
	return <-failed
}

func write1(s *Store, w int, start string) error {
	var i int
	if _, err := fmt.Sscan(start, &i); err != nil {
		return err
	}
	for key := fmt.Sprint("agent-", w); ; i++ {
		n := NewMessage{Channel: "general", Time: noon, From: agent(key), Text: fmt.Sprint(w, " ", i), Key: fmt.Sprint(i)}
		if _, _, err := s.Post(n); err != nil {
			return err
		}
		fmt.Printf("%d %d\n", w, i)
		task := chat.Task{Title: fmt.Sprint(w, " ", i), State: chat.Todo, From: alice}
		if _, _, err := s.CreateTask(task, fmt.Sprint(w, " ", i), false, Notice{}); err != nil {
			return err
		}
		if _, err := claim(s, 0, key); err != nil && !errors.Is(err, ErrNoTask) {
			return err
		}
	}
}

// A kill at any time loses no post that was acknowledged, and doubles none that is tried again.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	next := make([]int, writers) // the number that each one begins with
	for round := range killed {
		for w, acked := range killOne(t, dir, next) {
			next[w] = max(next[w], acked+1)
		}
		s := open1(t, dir, big())
		stored := count1(t, s)
		for w := range writers {
			// What was acknowledged is there; one more may be, whose answer did not come.
			if n := stored[w]; n != next[w] && n != next[w]+1 {
				t.Fatalf("round %d, writer %d: %d are stored, %d were acknowledged", round, w, n, next[w])
			}
		}
		check(t, s.Close())
	}
	if total := next[0] + next[1] + next[2]; total < killed {
		t.Errorf("only %d were written: the test proves nothing", total)
	}
}

// killOne starts a writer, kills it at some time and returns the last number of each that was acknowledged.
func killOne(t *testing.T, dir string, from []int) []int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{"TEST_WRITER=" + dir, "TEST_FROM=" + strings.Trim(fmt.Sprint(from), "[]")}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		cmd.Wait()
		t.Fatalf("the writer did not begin: %s", stderr.String())
	}
	var once sync.Once
	kill := func() { once.Do(func() { cmd.Process.Kill() }) }
	timer := time.AfterFunc(time.Duration(rand.Int64N(int64(80*time.Millisecond))), kill)
	defer timer.Stop()
	acked := make([]int, writers)
	for w := range acked {
		acked[w] = -1
	}
	for lines.Scan() {
		var w, i int
		if _, err := fmt.Sscan(lines.Text(), &w, &i); err == nil {
			acked[w] = i
		}
	}
	io.Copy(io.Discard, out)
	cmd.Wait()
	if cmd.ProcessState.Exited() {
		t.Fatalf("the writer ended by itself: %s", stderr.String())
	}
	return acked
}

// count1 returns how many posts of each writer are stored: each number once and in order, none left out. Tasks are there
// once too, and each is claimed by one.
func count1(t *testing.T, s *Store) []int {
	t.Helper()
	stored := make([]int, writers)
	for after := int64(0); ; {
		all, _, err := s.After("general", "", after, Bounds{1000, 1 << 20})
		check(t, err)
		for _, m := range all {
			var w, i int
			if _, err := fmt.Sscan(m.Text, &w, &i); err != nil || i != stored[w] {
				t.Fatalf("%q stands where number %d should be", m.Text, stored[w])
			}
			stored[w]++
			after = m.Seq
		}
		if len(all) == 0 {
			break
		}
	}
	all, _, err := s.Tasks(Filter{States: chat.States, Limit: maxListed})
	check(t, err)
	seen := map[string]bool{}
	for _, task := range all {
		if seen[task.Title] || (task.State == chat.InProgress) != (task.Assignee != "") {
			t.Fatalf("task %v", task)
		}
		seen[task.Title] = true
	}
	return stored
}
