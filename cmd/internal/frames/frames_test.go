package frames

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

// all reads to the end; an error of the reader is a line of its own.
func all(t *testing.T, r io.Reader, max int) []string {
	t.Helper()
	reader, out := NewReader(r, max), []string{}
	for {
		line, err := reader.Next()
		var long *TooLong
		switch {
		case errors.Is(err, io.EOF):
			return out
		case errors.As(err, &long):
			id, _ := json.Marshal(long.ID.Raw())
			word := "long "
			if long.Request {
				word = "long request "
			}
			out = append(out, word+string(id))
		case err != nil:
			t.Fatal(err)
		default:
			out = append(out, string(line))
		}
	}
}

func TestNext(t *testing.T) {
	x := strings.Repeat("x", 100)
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"", []string{}},
		{"\n\r\n  \n", []string{}},
		{"{}\n[]\r\n", []string{"{}", "[]"}},
		{"{}\nlast", []string{"{}", "last"}},
		{strings.Repeat("y", 50) + "\n", []string{strings.Repeat("y", 50)}},
		{strings.Repeat("y", 51) + "\n{}\n", []string{"long null", "{}"}},
		{`{"id":7,"result":"` + x + `"}` + "\n{}\n", []string{"long 7", "{}"}},
		{`{"result":{"id":1,"x":"` + x + `"}, "id" : "a\"b" }` + "\n", []string{`long "a\"b"`}},
		{`{"result":"\",\"id\":9,` + x + `","id":3}`, []string{"long 3"}},
		{`{"method":"x","params":{"a":"` + x + `"},"id":3}`, []string{"long request 3"}},
		{`{"id":{"a":1},"result":"` + x + `"}`, []string{"long null"}},
		{`[{"id":1,"result":"` + x + `"}]`, []string{"long null"}},
		{x + x + "\n" + x, []string{"long null", "long null"}},
	} {
		if d := cmp.Diff(c.want, all(t, strings.NewReader(c.in), 50)); d != "" {
			t.Errorf("%q:\n%s", c.in, d)
		}
		if d := cmp.Diff(c.want, all(t, iotest.OneByteReader(strings.NewReader(c.in)), 50)); d != "" {
			t.Errorf("byte by byte, %q:\n%s", c.in, d)
		}
	}
}

// What is beyond a buffer of the reader's own is whole all the same, up to the bound.
func TestLarge(t *testing.T) {
	for _, n := range []int{bufferSize - 1, bufferSize, bufferSize + 1, 5 * bufferSize, 10*bufferSize - 1} {
		line := strings.Repeat("z", n)
		if d := cmp.Diff([]string{line, "{}"}, all(t, strings.NewReader(line+"\n{}\n"), 10*bufferSize)); d != "" {
			t.Errorf("%d bytes differ", n)
		}
	}
	if got := all(t, strings.NewReader(strings.Repeat("z", 11*bufferSize)+"\n{}\n"), 10*bufferSize); len(got) != 2 || got[0] != "long null" {
		t.Errorf("got %d lines", len(got))
	}
}

func TestFailure(t *testing.T) {
	broken := errors.New("broken")
	r := NewReader(io.MultiReader(strings.NewReader(strings.Repeat("x", 99)), iotest.ErrReader(broken)), 10)
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// FuzzID proves that the identifier found in passing is that of the message.
func FuzzID(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":1,"result":{}}`, `{"result":{"id":2},"id":"x"}`, `{"id":null}`, `{"a":"\\","id":5}`,
		`{"id":1e3,"b":[{"id":4}]}`, `{"\u0069d":1}`, `{"a":"}{","id":6}`, `{"id" : [1]}`, `{"id":1.5}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got := ID(b)
		var m map[string]json.RawMessage
		if json.Unmarshal(b, &m) != nil || bytes.Contains(b, []byte(`\u`)) || len(m["id"]) > maxID/2 {
			return
		}
		want := jsonrpc.ID{}
		if text, ok := m["id"]; ok {
			want = parseID(text)
		}
		if got != want {
			t.Errorf("%q: got %v, want %v", b, got.Raw(), want.Raw())
		}
	})
}

// FuzzNext proves that lines come out whole, in order and within the bound, however they arrive.
func FuzzNext(f *testing.F) {
	f.Add([]byte("{}\n\n{\"a\":1}\nxxxxxxxxxxxxxxxxxxxxxxxx\n{}"), 16)
	f.Fuzz(func(t *testing.T, b []byte, max int) {
		if max < 1 || max > 1<<20 {
			return
		}
		var want []string
		for line := range bytes.SplitSeq(b, []byte("\n")) {
			if len(line) > max {
				want = append(want, "long")
			} else if text := string(bytes.TrimSpace(line)); text != "" {
				want = append(want, text)
			}
		}
		var got []string
		for _, line := range all(t, iotest.HalfReader(bytes.NewReader(b)), max) {
			if strings.HasPrefix(line, "long ") && !bytes.Contains(b, []byte(line)) {
				line = "long"
			}
			got = append(got, line)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}
