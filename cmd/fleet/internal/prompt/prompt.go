// Package prompt asks for a secret on a terminal.
package prompt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// ErrInterrupted is returned where the person pressed Ctrl-C.
var ErrInterrupted = errors.New("interrupted, nothing was changed")

// lineLimit is what a terminal holds of one line; it drops what is typed or pasted beyond it (N_TTY_BUF_SIZE in the
// kernel's tty.h, less the end of the line).
const lineLimit = 4095

// Hidden asks a question and reads the answer, a line, without showing it. Where ctx ends first, the terminal is as it
// was before. The answer is the caller's to wipe.
func Hidden(ctx context.Context, in *os.File, out io.Writer, question string) ([]byte, error) {
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("read the terminal: %w", err)
	}
	fmt.Fprint(out, question)
	type answer struct {
		line []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		fmt.Fprintln(out)
		switch {
		case errors.Is(a.err, io.EOF):
			return nil, errors.New("the terminal gave no answer, nothing was changed")
		case a.err != nil:
			return nil, fmt.Errorf("read the terminal: %w", a.err)
		case len(a.line) >= lineLimit-1:
			clear(a.line)
			return nil, fmt.Errorf("a terminal cuts a line off after %d bytes\n  hint: use --from-file, or standard input",
				lineLimit)
		}
		return a.line, nil
	case <-ctx.Done():
		err := term.Restore(fd, before)
		fmt.Fprintln(out)
		return nil, errors.Join(ErrInterrupted, err)
	}
}

// Twice asks for the same twice.
func Twice(ctx context.Context, in *os.File, out io.Writer, question string) ([]byte, error) {
	first, err := Hidden(ctx, in, out, question+": ")
	if err != nil {
		return nil, err
	}
	second, err := Hidden(ctx, in, out, question+", once more: ")
	if err != nil {
		clear(first)
		return nil, err
	}
	defer clear(second)
	if string(first) != string(second) {
		clear(first)
		return nil, errors.New("the two differ, nothing was changed")
	}
	return first, nil
}
