// Package hello reads the ClientHello at the begin of a TLS connection, to compare the name in it, and gives back every
// byte that it took. It decrypts nothing. The parser is that of crypto/tls, which refuses several names, a dot at the
// end and every malformed length.
package hello

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"time"
)

// maxBytes bounds what is read for a ClientHello. Those with keys for post-quantum exchange have 2 KiB.
const maxBytes = 32 << 10

// encrypted is the extension encrypted_client_hello, RFC 9849.
const encrypted = 0xfe0d

// ErrNotTLS tells that the bytes are no ClientHello that can be understood.
var ErrNotTLS = errors.New("no TLS ClientHello")

// Hello is what a ClientHello says.
type Hello struct {
	Name   string // server_name as it is written; "" where there is none
	Hidden bool   // it may hold another, encrypted ClientHello
	Size   int    // bytes of the records that it is in; whatever was read behind them is something else
}

var errSeen = errors.New("seen")

// config ends each handshake at its ClientHello and leaves it in the tap.
var config = &tls.Config{
	SessionTicketsDisabled: true,
	GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		t := info.Conn.(*tap)
		t.hello = Hello{Name: info.ServerName, Hidden: slices.Contains(info.Extensions, encrypted)}
		t.found = true
		return nil, errSeen
	},
}

// Read reads a ClientHello from r, however it is cut into records and reads. seen is all that was taken from r, also
// where there is an error: ErrNotTLS, or that of r.
func Read(r io.Reader) (h Hello, seen []byte, err error) {
	in := &tap{r: r}
	if err := tls.Server(in, config).Handshake(); err == nil || in.found {
		var ok bool
		if in.hello.Size, ok = size(in.seen.Bytes()); !ok {
			return Hello{}, in.seen.Bytes(), ErrNotTLS
		}
		return in.hello, in.seen.Bytes(), nil
	}
	if in.err != nil && !errors.Is(in.err, io.EOF) {
		return Hello{}, in.seen.Bytes(), in.err
	}
	return Hello{}, in.seen.Bytes(), ErrNotTLS
}

// Alert is a fatal alert access_denied as a server sends it before anything is encrypted, RFC 8446 section 6.
var Alert = []byte{21, 3, 3, 0, 2, 2, 49}

// tap is the client's side as crypto/tls sees it: what the parser would answer goes nowhere.
type tap struct {
	r    io.Reader
	seen bytes.Buffer
	err  error

	hello Hello
	found bool
}

func (t *tap) Read(b []byte) (int, error) {
	left := maxBytes - t.seen.Len()
	if left <= 0 {
		return 0, ErrNotTLS
	}
	n, err := t.r.Read(b[:min(len(b), left)])
	t.seen.Write(b[:n])
	t.err = err
	return n, err
}

func (t *tap) Write(b []byte) (int, error)      { return len(b), nil }
func (t *tap) Close() error                     { return nil }
func (t *tap) LocalAddr() net.Addr              { return nil }
func (t *tap) RemoteAddr() net.Addr             { return nil }
func (t *tap) SetDeadline(time.Time) error      { return nil }
func (t *tap) SetReadDeadline(time.Time) error  { return nil }
func (t *tap) SetWriteDeadline(time.Time) error { return nil }
