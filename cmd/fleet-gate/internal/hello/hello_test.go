package hello

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// client returns the ClientHello that Go's client sends.
func client(t testing.TB, c *tls.Config) []byte {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	go func() {
		conn := tls.Client(there, c)
		conn.Handshake()
		there.Close()
	}()
	here.SetDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 64<<10)
	n, err := here.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// records cuts the handshake message of one record into many.
func records(b []byte, size int) []byte {
	var out []byte
	for msg := b[5:]; len(msg) > 0; {
		n := min(size, len(msg))
		out = append(out, 22, 3, 1, byte(n>>8), byte(n))
		out = append(out, msg[:n]...)
		msg = msg[n:]
	}
	return out
}

// with adds an extension to the ClientHello in one record.
func with(t testing.TB, b []byte, ext ...byte) []byte {
	t.Helper()
	b = append(bytes.Clone(b), ext...)
	add := func(at int) { // two bytes of length
		n := int(b[at])<<8 + int(b[at+1]) + len(ext)
		b[at], b[at+1] = byte(n>>8), byte(n)
	}
	at := 5 + 4 + 2 + 32
	at += 1 + int(b[at])                   // session id
	at += 2 + int(b[at])<<8 + int(b[at+1]) // cipher suites
	at += 1 + int(b[at])                   // compression
	add(3)
	add(7)
	add(at)
	return b
}

func sni(name string) []byte {
	n := len(name)
	return append([]byte{0, 0, 0, byte(n + 5), 0, byte(n + 3), 0, 0, byte(n)}, name...)
}

// EGR-D5, D6, D7, D8, EGR-E6, E7.
func TestRead(t *testing.T) {
	plain := client(t, &tls.Config{ServerName: "api.example.com"})
	old := client(t, &tls.Config{ServerName: "api.example.com", MaxVersion: tls.VersionTLS12})
	none := client(t, &tls.Config{InsecureSkipVerify: true})
	want := Hello{Name: "api.example.com"}
	for name, c := range map[string]struct {
		in   []byte
		want Hello
		err  error
	}{
		"plain":                      {plain, want, nil},
		"TLS 1.2":                    {old, want, nil},
		"no name":                    {none, Hello{}, nil},
		"more after it":              {append(bytes.Clone(plain), "rest"...), want, nil},
		"many records":               {records(plain, 7), want, nil},
		"a name in a late extension": {with(t, none, sni("api.example.com")...), want, nil},
		"upper case":                 {with(t, none, sni("API.example.com")...), Hello{Name: "API.example.com"}, nil},
		"encrypted":                  {with(t, plain, 0xfe, 0x0d, 0, 11, 0, 0, 1, 0, 1, 7, 0, 0, 0, 1, 0xaa), Hello{Name: "api.example.com", Hidden: true}, nil},
		"grease":                     {with(t, plain, 0x1a, 0x1a, 0, 1, 0), want, nil},
		"two names":                  {with(t, plain, sni("other.test")...), Hello{}, ErrNotTLS},
		"dot at the end":             {with(t, none, sni("api.example.com.")...), Hello{}, ErrNotTLS},
		"cut off":                    {plain[:100], Hello{}, ErrNotTLS},
		"nothing":                    {nil, Hello{}, ErrNotTLS},
		"plain text":                 {[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), Hello{}, ErrNotTLS},
		"SSLv2":                      {[]byte{0x80, 0x2e, 1, 0, 2, 0, 21, 0, 0, 0, 16}, Hello{}, ErrNotTLS},
		"64 KiB":                     {records(append([]byte{22, 3, 1, 0, 0, 1, 0, 0xff, 0xff}, make([]byte, 64<<10)...), 1000), Hello{}, ErrNotTLS},
		"empty records":              {bytes.Repeat([]byte{22, 3, 1, 0, 0}, 20000), Hello{}, ErrNotTLS},
		"other handshake":            {[]byte{22, 3, 1, 0, 4, 2, 0, 0, 0}, Hello{}, ErrNotTLS},
	} {
		for how, r := range map[string]io.Reader{
			"at once": bytes.NewReader(c.in), "byte by byte": iotest.OneByteReader(bytes.NewReader(c.in)),
		} {
			h, seen, err := Read(r)
			rest, _ := io.ReadAll(r)
			if err == nil {
				if again, _, err := Read(bytes.NewReader(c.in[:h.Size])); err != nil || again != h {
					t.Errorf("%s, %s: %d bytes are not the size: %v", name, how, h.Size, err)
				}
				h.Size = 0
			}
			if !errors.Is(err, c.err) || h != c.want {
				t.Errorf("%s, %s: got %+v, %v", name, how, h, err)
			}
			if !bytes.Equal(append(bytes.Clone(seen), rest...), c.in) {
				t.Errorf("%s, %s: bytes are lost", name, how)
			}
			if len(seen) > maxBytes {
				t.Errorf("%s, %s: %d bytes read", name, how, len(seen))
			}
		}
	}
}

// A name with a NUL or a label too long arrives as it is; the policy refuses it.
func TestNamesAreNotChanged(t *testing.T) {
	none := client(t, &tls.Config{InsecureSkipVerify: true})
	for _, name := range []string{"a\x00b.test", strings.Repeat("a", 64) + ".test", "127.0.0.1"} {
		if h, _, err := Read(bytes.NewReader(with(t, none, sni(name)...))); err != nil || h.Name != name {
			t.Errorf("%q: got %+v, %v", name, h, err)
		}
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	if _, _, err := Read(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(client(f, &tls.Config{ServerName: "api.example.com"}))
	f.Fuzz(func(t *testing.T, in []byte) {
		_, seen, _ := Read(bytes.NewReader(in))
		if !bytes.HasPrefix(in, seen) {
			t.Error("other bytes came back")
		}
	})
}

func BenchmarkRead(b *testing.B) {
	in := client(b, &tls.Config{ServerName: "api.example.com"})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Read(bytes.NewReader(in)); err != nil {
			b.Fatal(err)
		}
	}
}
