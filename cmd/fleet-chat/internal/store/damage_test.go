package store

import (
	"errors"
	"os"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// filled makes a database of several hundred pages.
func filled(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	s := open1(t, dir, sample())
	for range 300 {
		post(t, s, alice, "general", strings.Repeat("x", 3000))
		makeTask(t, s, "x", "")
	}
	check(t, s.Close())
	return dir, dir + "/" + FileName
}

// A file that is not what was written is told of in words, and stays as it is.
func TestDamagedFiles(t *testing.T) {
	for name, spoil := range map[string]struct {
		want string
		f    func(b []byte) []byte
	}{
		"empty":          {"it is empty", func([]byte) []byte { return nil }},
		"text":           {"no database", func([]byte) []byte { return []byte(strings.Repeat("dear diary\n", 5000)) }},
		"both heads":     {"no database", func(b []byte) []byte { clear(b[:8192]); return b }},
		"short":          {"is damaged", func(b []byte) []byte { return b[:len(b)/2] }},
		"very short":     {"is damaged", func(b []byte) []byte { return b[:100] }},
		"zeros inside":   {"is damaged", func(b []byte) []byte { clear(b[32<<10:]); return b }},
		"noise inside":   {"is damaged", func(b []byte) []byte { noise(b[32<<10 : len(b)/2]); return b }},
		"broken entries": {"is damaged", func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), `{"number"`, `["number"`)) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir, path := filled(t)
			good, err := os.ReadFile(path)
			check(t, err)
			bad := spoil.f(good)
			check(t, os.WriteFile(path, bad, 0o600))
			s, err := Open(dir, sample())
			opened := err == nil
			if opened { // each page was where it should be; what is in them is read when it is needed
				defer s.Close()
				_, err = s.ClaimTask(0, "lead", Change{By: alice}, Notice{})
			}
			if err == nil || !strings.Contains(err.Error(), spoil.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q", err, spoil.want)
			}
			if after, err := os.ReadFile(path); !opened && (err != nil || string(after) != string(bad)) {
				t.Errorf("the file has changed, %v", err)
			}
		})
	}
}

func noise(b []byte) {
	for i := range b {
		b[i] = byte(i * 31)
	}
}

// After damage has been met nothing is read and written any more, and whoever waits for it is told.
func TestDamageWhileRunning(t *testing.T) {
	dir, path := filled(t)
	s := open1(t, dir, sample())
	check(t, os.Truncate(path, 16<<10))
	var damaged *Damaged
	if _, _, err := s.History("general", "", 0, Bounds{1000, 1 << 30}); !errors.As(err, &damaged) {
		t.Fatalf("got %v", err)
	}
	<-s.Failed()
	if _, _, err := s.Post(NewMessage{Channel: "general", From: alice}); !errors.As(err, &damaged) {
		t.Errorf("got %v", err)
	}
	if err := s.Fault(); !errors.As(err, &damaged) {
		t.Errorf("got %v", err)
	}
}

func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	path := dir + "/" + FileName
	db, err := bolt.Open(path, 0o600, nil)
	check(t, err)
	check(t, db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("of somebody else"))
		return err
	}))
	check(t, db.Close())
	refused(t, dir, "another program")

	other := t.TempDir()
	c := sample()
	c.Project = "other"
	check(t, open1(t, other, c).Close())
	refused(t, other, `the chat of project "other", not of "demo"`)

	later := t.TempDir()
	s := open1(t, later, sample())
	check(t, s.update(func(tx *bolt.Tx) error { return tx.Bucket(bMeta).Put(kVersion, []byte("2")) }))
	check(t, s.Close())
	refused(t, later, `has version "2"`)

	link := t.TempDir()
	check(t, os.Symlink(path, link+"/"+FileName))
	refused(t, link, "must be a file")
}

func refused(t *testing.T, dir, want string) {
	t.Helper()
	before, err := os.ReadFile(dir + "/" + FileName)
	check(t, err)
	if s, err := Open(dir, sample()); err == nil || !strings.Contains(err.Error(), want) {
		s.Close()
		t.Errorf("got %v, want %q", err, want)
	}
	if after, err := os.ReadFile(dir + "/" + FileName); err != nil || string(after) != string(before) {
		t.Errorf("the file has changed, %v", err)
	}
}

// What a kill has left of a database in the making is no hindrance.
func TestLeftover(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(dir+"/"+FileName+".new", []byte("half"), 0o600))
	s := open1(t, dir, sample())
	post(t, s, alice, "general", "hello")
}

// A change that is refused is not there, and those of others in its commit are.
func TestRefusedAmongOthers(t *testing.T) {
	s := open1(t, t.TempDir(), sample())
	done := make(chan error, 100)
	for i := range 100 {
		go func() {
			thread := ""
			if i%2 == 1 {
				thread = "task-99"
			}
			_, _, err := s.Post(NewMessage{Channel: "general", Thread: thread, From: alice, Text: "x"})
			if (err != nil) != (i%2 == 1) {
				t.Errorf("%d: %v", i, err)
			}
			done <- err
		}()
	}
	for range 100 {
		<-done
	}
	if last, err := s.Last("general"); last != 50 || err != nil {
		t.Errorf("%d, %v", last, err)
	}
}
