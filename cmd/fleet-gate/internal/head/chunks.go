package head

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
)

const (
	maxSize    = 15      // hex digits of a chunk's size
	maxTrailer = 8 << 10 // bytes
)

// Chunks reads a chunked body, RFC 9112 section 7.1, and takes its plainest form only: sizes without an extension,
// lines that end in CRLF. The errors are an *Error, io.ErrUnexpectedEOF, or that of the reader.
type Chunks struct {
	Trailer http.Header // what came behind the last chunk; set with io.EOF

	r    *bufio.Reader
	left int64 // of the chunk
	open bool  // a chunk's CRLF is still to come
	err  error
}

// NewChunks reads from r, and not a byte behind the body.
func NewChunks(r *bufio.Reader) *Chunks { return &Chunks{r: r} }

// Read reads data.
func (c *Chunks) Read(b []byte) (n int, err error) {
	if c.err == nil && c.left == 0 {
		c.err = c.begin()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err = c.r.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	c.err = unexpected(err)
	return n, c.err
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// begin reads up to the data of the next chunk; io.EOF is the end of the body.
func (c *Chunks) begin() error {
	if c.open {
		if _, err := c.line(2); err != nil {
			return err
		}
		c.open = false
	}
	line, err := c.line(maxSize + 2)
	if err != nil {
		return err
	}
	for _, d := range line {
		if !(d >= '0' && d <= '9' || d|0x20 >= 'a' && d|0x20 <= 'f') {
			return bad("a chunk's size must be hex digits alone")
		}
	}
	if c.left, err = strconv.ParseInt(string(line), 16, 64); err != nil {
		return bad("a chunk must have a size")
	}
	c.open = true
	if c.left > 0 {
		return nil
	}
	return c.end()
}

// line reads a line of at most so many bytes with its CRLF, and returns it without.
func (c *Chunks) line(most int) ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, unexpected(err)
	}
	if err != nil || len(line) > most || !bytes.HasSuffix(line, []byte("\r\n")) {
		return nil, bad("the lines of a chunked body must be short and end in CRLF")
	}
	return line[:len(line)-2], nil
}

// end reads the trailer.
func (c *Chunks) end() error {
	var text []byte
	for {
		line, err := c.line(maxTrailer)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		if text = append(append(text, line...), "\r\n"...); len(text) > maxTrailer {
			return bad("a trailer must have at most 8 KiB")
		}
	}
	h, err := fields(string(text))
	if err != nil {
		return err
	}
	Strip(h)
	c.Trailer = h
	return io.EOF
}
