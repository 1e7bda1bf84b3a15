package hello

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func record(kind byte, content ...byte) []byte {
	return append([]byte{kind, 3, 3, byte(len(content) >> 8), byte(len(content))}, content...)
}

func answer(random []byte, rest ...byte) []byte {
	content := append([]byte{serverHello, 0, 0, byte(2 + len(random) + len(rest)), 3, 3}, random...)
	return record(handshake, append(content, rest...)...)
}

func TestAnswer(t *testing.T) {
	first := bytes.Repeat([]byte{7}, 32)
	for name, c := range map[string]struct {
		in    []byte
		again bool
		err   error
	}{
		"ServerHello":    {answer(first, 1, 2, 3), false, nil},
		"retry":          {answer(retry, 1, 2, 3), true, nil},
		"retry, no more": {answer(retry), true, nil},
		"alert":          {record(21, 2, 40), false, nil},
		"other message":  {record(handshake, 13, 0, 0, 0), false, nil},
		"no TLS":         {[]byte("220 hello"), false, nil},
		"cut small":      {append(record(handshake, serverHello, 0, 0, 99), record(handshake, retry...)...), false, ErrCut},
		"empty record":   {append(record(handshake), answer(retry)...), false, ErrCut},
		"ends":           {answer(retry)[:20], false, io.ErrUnexpectedEOF},
		"nothing":        {nil, false, io.EOF},
	} {
		for _, r := range []io.Reader{bytes.NewReader(c.in), iotest.OneByteReader(bytes.NewReader(c.in))} {
			seen, again, err := Answer(r)
			rest, _ := io.ReadAll(r)
			if again != c.again || !errors.Is(err, c.err) {
				t.Errorf("%s: got %v, %v", name, again, err)
			}
			if !bytes.Equal(append(bytes.Clone(seen), rest...), c.in) || again && len(rest) > 0 {
				t.Errorf("%s: %d of %d bytes, %d left", name, len(seen), len(c.in), len(rest))
			}
		}
	}
}

func TestSkip(t *testing.T) {
	hello := client(t, &tls.Config{ServerName: "api.example.com"})
	for name, c := range map[string]struct {
		in  [][]byte
		err error
	}{
		"nothing":     {nil, nil},
		"compatible":  {[][]byte{record(changeCipher, 1)}, nil},
		"early data":  {[][]byte{record(data, make([]byte, 1<<14)...), record(changeCipher, 1)}, nil},
		"too long":    {[][]byte{record(data, make([]byte, maxRecord+1)...)}, ErrNotTLS},
		"without end": {[][]byte{bytes.Repeat(record(changeCipher), maxSkipped)}, ErrNotTLS},
	} {
		in := append(bytes.Join(c.in, nil), hello...)
		var out bytes.Buffer
		r := bufio.NewReader(bytes.NewReader(in))
		err := Skip(&out, r)
		rest, _ := io.ReadAll(r)
		if !errors.Is(err, c.err) || err == nil && !bytes.Equal(rest, hello) || !bytes.Equal(append(out.Bytes(), rest...), in) {
			t.Errorf("%s: got %v, %d bytes left", name, err, len(rest))
		}
	}
	if err := Skip(io.Discard, bufio.NewReader(bytes.NewReader(nil))); !errors.Is(err, io.EOF) {
		t.Errorf("end: got %v", err)
	}
}

// FuzzOpening holds that no byte is lost or invented, and that all readers end.
func FuzzOpening(f *testing.F) {
	f.Add(answer(retry, 1, 2, 3))
	f.Add(append(record(changeCipher, 1), client(f, &tls.Config{ServerName: "api.example.com"})...))
	f.Fuzz(func(t *testing.T, in []byte) {
		seen, _, _ := Answer(bytes.NewReader(in))
		if !bytes.HasPrefix(in, seen) {
			t.Error("Answer: other bytes came back")
		}
		var out bytes.Buffer
		r := bufio.NewReader(bytes.NewReader(in))
		_ = Skip(&out, r)
		rest, _ := io.ReadAll(r)
		if !bytes.Equal(append(out.Bytes(), rest...), in) {
			t.Error("Skip: bytes are lost")
		}
		if h, seen, err := Read(bytes.NewReader(in)); err == nil && (h.Size == 0 || h.Size > len(seen)) {
			t.Errorf("Read: size %d of %d bytes", h.Size, len(seen))
		}
	})
}
