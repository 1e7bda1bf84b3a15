package find_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"fleet/cmd/fleet-gate/internal/find"
)

func set(texts ...string) *find.Set {
	var list [][]byte
	for _, t := range texts {
		list = append(list, []byte(t))
	}
	return find.New(list)
}

func TestNext(t *testing.T) {
	s := set("secret-one", "secret-one-longer", "other-secret", "ne-two")
	for _, c := range []struct {
		text  string
		whole bool
		at    int
		which int
	}{
		{"", false, 0, find.None},
		{"nothing here at all", false, 19, find.None},
		{"a secret-one b", false, 2, 0},
		{"a secret-one-longer b", false, 2, 1},
		{"a secret-one-long", false, 2, find.None}, // the longer one may come
		{"a secret-one-long", true, 2, 0},
		{"a secret-on", false, 2, find.None},
		{"a secret-on", true, 11, find.None},
		{"a secret-ox", false, 11, find.None},
		{"other-secret-one", false, 0, 2},
		{"xother-secret-one", false, 1, 2},
		{"secret-ne-two", false, 7, 3},
		{"tail s", false, 5, find.None},
		{"tail n", false, 5, find.None},
		{"tail x", false, 6, find.None},
	} {
		if at, which := s.Next([]byte(c.text), 0, c.whole); at != c.at || which != c.which {
			t.Errorf("%q, whole %v: got %d, %d, want %d, %d", c.text, c.whole, at, which, c.at, c.which)
		}
	}
	if s.InString("in a secret-one") != 0 || s.InString("secre") != find.None || set().InString("x") != find.None {
		t.Error("InString")
	}
}

// slow finds as Next does, by looking at each place for each text.
func slow(texts []string, b string, whole bool) (at, which int) {
	for i := range len(b) {
		which, open := find.None, false
		for j, t := range texts {
			switch {
			case strings.HasPrefix(b[i:], t) && (which == find.None || len(t) > len(texts[which])):
				which = j
			case len(t) > len(b)-i && strings.HasPrefix(t, b[i:]):
				open = !whole
			}
		}
		if open {
			return i, find.None
		}
		if which != find.None {
			return i, which
		}
	}
	return len(b), find.None
}

func FuzzNext(f *testing.F) {
	f.Add("abba", "abab", "baba", "xabababx", true)
	f.Add("secret", "et", "crete", "sec secrete", false)
	f.Fuzz(func(t *testing.T, one, two, three, text string, whole bool) {
		var texts []string
		for _, s := range []string{one, two, three} {
			if len(s) >= find.MinText && (len(texts) == 0 || s != texts[0]) && (len(texts) < 2 || s != texts[1]) {
				texts = append(texts, s)
			}
		}
		at, which := set(texts...).Next([]byte(text), 0, whole)
		if a, w := slow(texts, text, whole); a != at || w != which {
			t.Errorf("%q in %q, whole %v: got %d, %d, want %d, %d", texts, text, whole, at, which, a, w)
		}
	})
}

// Texts over few letters, so that they overlap in every way, against the slow search.
func TestNextAsSlow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab"[r.IntN(2)]
		}
		return string(b)
	}
	for range 20_000 {
		seen := map[string]bool{}
		var texts []string
		for range 1 + r.IntN(4) {
			if w := word(find.MinText + r.IntN(9)); !seen[w] {
				seen[w], texts = true, append(texts, w)
			}
		}
		text, whole := word(r.IntN(40)), r.IntN(2) == 0
		at, which := set(texts...).Next([]byte(text), 0, whole)
		if a, w := slow(texts, text, whole); a != at || w != which {
			t.Fatalf("%q in %q, whole %v: got %d, %d, want %d, %d", texts, text, whole, at, which, a, w)
		}
	}
}

func star(b []byte, _ int) error {
	for i := range b {
		b[i] = '*'
	}
	return nil
}

// However a stream is cut into reads, and however large the reader's buffer is, what comes out is the same.
func TestReaderSplits(t *testing.T) {
	s := set("secret-one", "secret-one-longer", "other-secret", strings.Repeat("long", 1000))
	in := "x secret-one y secret-one-longer secret-one-longe other-secret-one " + strings.Repeat("long", 2500) + " secret-on"
	want := "x ********** y ***************** **********-longe ************-one " + strings.Repeat("*", 8000) +
		strings.Repeat("long", 500) + " secret-on"
	for name, from := range map[string]func() io.Reader{
		"whole":  func() io.Reader { return strings.NewReader(in) },
		"bytes":  func() io.Reader { return iotest.OneByteReader(strings.NewReader(in)) },
		"halves": func() io.Reader { return iotest.HalfReader(strings.NewReader(in)) },
		"end":    func() io.Reader { return iotest.DataErrReader(strings.NewReader(in)) },
	} {
		for _, size := range []int{1, 7, 600, 5000, 64 << 10} {
			var out bytes.Buffer
			if _, err := io.CopyBuffer(&out, struct{ io.Reader }{find.NewReader(from(), s, star)}, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			if out.String() != want {
				t.Errorf("%s by %d: got %d bytes, differs at %d", name, size, out.Len(), differs(out.String(), want))
			}
		}
	}
}

func differs(a, b string) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// parts gives one part for each read, and tells what was asked.
type parts struct{ list []string }

func (p *parts) Read(b []byte) (int, error) {
	if len(p.list) == 0 {
		return 0, errors.New("asked for more")
	}
	n := copy(b, p.list[0])
	p.list = p.list[1:]
	return n, nil
}

// What cannot begin a text does not wait, and what can does so until the next byte alone.
func TestReaderDoesNotWait(t *testing.T) {
	from := &parts{[]string{"event: x\n\n", "data: sec", "ond\n\n", "s", "e"}}
	r := find.NewReader(from, set("secret-one"), star)
	for _, want := range []string{"event: x\n\n", "data: ", "second\n\n"} {
		b := make([]byte, 4096)
		n, err := r.Read(b)
		if err != nil || string(b[:n]) != want {
			t.Fatalf("got %q, %v, want %q", b[:n], err, want)
		}
	}
	if n, err := r.Read(make([]byte, 4096)); n != 0 || err == nil || len(from.list) > 0 {
		t.Errorf("a begin alone: got %d, %v", n, err)
	}
}

// An error of found ends the stream before the text, one of the source without what was held back.
func TestReaderErrors(t *testing.T) {
	stop := errors.New("stop")
	r := find.NewReader(strings.NewReader("before secret-one behind"), set("secret-one"), func([]byte, int) error { return stop })
	b, err := io.ReadAll(r)
	if string(b) != "before " || !errors.Is(err, stop) {
		t.Errorf("got %q, %v", b, err)
	}
	broken := io.MultiReader(strings.NewReader("before secret-o"), iotest.ErrReader(stop))
	b, err = io.ReadAll(find.NewReader(broken, set("secret-one"), star))
	if string(b) != "before " || !errors.Is(err, stop) {
		t.Errorf("got %q, %v", b, err)
	}
	if b, err := io.ReadAll(find.NewReader(strings.NewReader("before secret-o"), set("secret-one"), star)); string(b) != "before secret-o" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}
