package hello

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// Types of records and of handshake messages, RFC 8446 sections 5.1 and 4.
const (
	changeCipher = 20
	handshake    = 22
	data         = 23

	serverHello = 2

	recordHead  = 5
	messageHead = 4
	maxRecord   = 1<<14 + 256
)

// retry is the random of a ServerHello that is a HelloRetryRequest, RFC 8446 section 4.1.3.
var retry = []byte{
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
}

// maxSkipped bounds what a client may send between its two ClientHellos: early data that was on its way.
const maxSkipped = 256 << 10

// ErrCut tells that a server's first message is cut into records so small that it cannot be told what it is.
var ErrCut = errors.New("the host's first record is too short for a ServerHello")

// Answer reads what a server says first, from its begin to behind the random of a ServerHello where it is one. again
// tells that it asks for a second ClientHello: the server acts on the name in that one. seen is all that was read, the
// whole record then, also where there is an error: ErrCut, or that of r.
func Answer(r io.Reader) (seen []byte, again bool, err error) {
	const least = recordHead + messageHead + 2
	seen = make([]byte, least+len(retry))
	n, err := io.ReadFull(r, seen[:recordHead])
	if err != nil || seen[0] != handshake {
		return seen[:n], false, err
	}
	length := int(binary.BigEndian.Uint16(seen[3:]))
	more, err := io.ReadFull(r, seen[recordHead:min(len(seen), recordHead+length)])
	n += more
	switch {
	case err != nil:
		return seen[:n], false, err
	case more > 0 && seen[recordHead] != serverHello:
		return seen[:n], false, nil
	case n < len(seen):
		return seen[:n], false, ErrCut
	}
	if !bytes.Equal(seen[least:], retry) {
		return seen, false, nil
	}
	rest := make([]byte, recordHead+length-n)
	more, err = io.ReadFull(r, rest)
	return append(seen, rest[:more]...), true, err
}

// Skip copies the records that a client may send before its second ClientHello to w, and leaves r at the first other
// one. r gives the bytes that follow without taking them.
func Skip(w io.Writer, r Peeker) error {
	for skipped := 0; ; {
		head, err := r.Peek(recordHead)
		if err != nil {
			return err
		}
		length := int(binary.BigEndian.Uint16(head[3:]))
		if head[0] != changeCipher && head[0] != data {
			return nil
		}
		if skipped += recordHead + length; length > maxRecord || skipped > maxSkipped {
			return ErrNotTLS
		}
		if _, err := io.CopyN(w, r, int64(recordHead+length)); err != nil {
			return err
		}
	}
}

// Peeker is a *bufio.Reader.
type Peeker interface {
	io.Reader
	Peek(n int) ([]byte, error)
}

// size returns how many bytes the records have that b's first handshake message lies in. It is false where the message
// does not end with a record: nothing may stand behind a ClientHello there.
func size(b []byte) (n int, ok bool) {
	var message []byte
	for len(b) >= n+recordHead {
		end := n + recordHead + int(binary.BigEndian.Uint16(b[n+3:]))
		if end > len(b) {
			return 0, false
		}
		message = append(message, b[n+recordHead:end]...)
		n = end
		if len(message) < messageHead {
			continue
		}
		want := messageHead + (int(message[1])<<16 | int(message[2])<<8 | int(message[3]))
		if len(message) >= want {
			return n, len(message) == want
		}
	}
	return 0, false
}
