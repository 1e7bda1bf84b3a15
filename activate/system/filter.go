package system

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// errFilterLimit is returned where a program writes more than it may.
var errFilterLimit = errors.New("writes more than allowed")

// Filter runs a program that changes nothing with in as its standard input and returns its standard output, of which it
// takes at most limit bytes. Neither of the two is in an error, in an argument or in any copy but the program's: they
// may be secret. An error holds what the program said on its standard error.
func Filter(ctx context.Context, in []byte, limit int, argv ...string) ([]byte, error) {
	var errOut bytes.Buffer
	out := &bounded{b: make([]byte, 0, limit)}
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Env, c.Stdin, c.Stdout, c.Stderr, c.WaitDelay = Environ, bytes.NewReader(in), out, &errOut, grace
	if err := c.Run(); err != nil {
		clear(out.b)
		return nil, fmt.Errorf("%s: %w%s", argv[0], err, said(errOut.String()))
	}
	return out.b, nil
}

// bounded takes what fits into its slice, which never moves.
type bounded struct{ b []byte }

// ReadFrom makes os/exec read into the slice, instead of into a buffer of its own that nobody wipes.
func (w *bounded) ReadFrom(r io.Reader) (int64, error) {
	begin := len(w.b)
	for {
		free := w.b[len(w.b):cap(w.b)]
		if len(free) == 0 {
			free = make([]byte, 1)
		}
		n, err := r.Read(free)
		if n > cap(w.b)-len(w.b) {
			return int64(len(w.b) - begin), errFilterLimit
		}
		w.b = w.b[:len(w.b)+n]
		if errors.Is(err, io.EOF) {
			return int64(len(w.b) - begin), nil
		}
		if err != nil {
			return int64(len(w.b) - begin), err
		}
	}
}

// Write is there since os/exec wants a Writer.
func (w *bounded) Write(p []byte) (int, error) {
	n, err := w.ReadFrom(bytes.NewReader(p))
	return int(n), err
}
