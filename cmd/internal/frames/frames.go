// Package frames reads messages as MCP's stdio has them, a JSON value on each line, from whom nothing good is expected:
// lines without end, and lines that are no JSON, are told of and passed by.
package frames

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
)

const (
	bufferSize = 16 << 10

	// keep is how large a buffer may be that waits for the next message.
	keep = 256 << 10
)

// Reader reads lines of at most a number of bytes.
type Reader struct {
	r    *bufio.Reader
	max  int
	line []byte
}

// NewReader makes a reader of lines that have at most max bytes.
func NewReader(r io.Reader, max int) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, bufferSize), max: max}
}

// TooLong is the error for a message that is longer than a reader takes. It tells what could be seen of it as it passed.
type TooLong struct {
	ID      jsonrpc.ID // not valid where the message has none
	Request bool       // it has a method: it is no answer
	Max     int
}

func (e *TooLong) Error() string { return fmt.Sprintf("a message has more than %d bytes", e.Max) }

// Next returns the next line that is not empty, without its end. It is good until the next call. After a *TooLong the
// reader goes on with the line behind; every other error is the end.
func (r *Reader) Next() ([]byte, error) {
	for {
		line, err := r.next()
		if line = bytes.TrimSpace(line); len(line) > 0 || err != nil {
			return line, err
		}
	}
}

func (r *Reader) next() ([]byte, error) {
	if cap(r.line) > keep {
		r.line = nil
	}
	part, err := r.r.ReadSlice('\n')
	if err == nil && len(part) <= r.max+1 { // one for the line's end
		return part, nil // nearly always
	}
	r.line = r.line[:0]
	for {
		r.line = append(r.line, part...)
		length := len(r.line)
		if err == nil {
			length-- // the line's end
		}
		switch {
		case length > r.max:
			return nil, r.pass(err)
		case err == nil:
			return r.line, nil
		case errors.Is(err, io.EOF) && len(r.line) > 0:
			return r.line, nil // a last line without an end
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
		part, err = r.r.ReadSlice('\n')
	}
}

// pass reads the rest of a line that is too long.
func (r *Reader) pass(err error) error {
	var s scanner
	s.feed(r.line)
	for errors.Is(err, bufio.ErrBufferFull) {
		var part []byte
		part, err = r.r.ReadSlice('\n')
		s.feed(part)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return &TooLong{ID: s.id(), Request: s.method, Max: r.max}
}

// ID is what can be made out of a message's identifier: not valid where there is none.
func ID(message []byte) jsonrpc.ID {
	var s scanner
	s.feed(message)
	return s.id()
}

func parseID(text []byte) jsonrpc.ID {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return jsonrpc.ID{}
	}
	id, err := jsonrpc.MakeID(v)
	if err != nil {
		return jsonrpc.ID{}
	}
	return id
}
