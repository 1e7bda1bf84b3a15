// Package prompt asks for a secret on a terminal.
package prompt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrInterrupted is returned where the person pressed Ctrl-C.
var ErrInterrupted = errors.New("interrupted, nothing was changed")

// lineLimit is what a terminal holds of one line with its end; it drops what is typed or pasted beyond it
// (N_TTY_BUF_SIZE in the kernel's n_tty.c).
const lineLimit = 4096

// Hidden asks a question and reads the answer, a line, without showing it. Where ctx ends first, the terminal is as it
// was before. The answer is the caller's to wipe.
//
// It does not use golang.org/x/term, whose ReadPassword neither ends where the terminal has gone nor sees a line that was
// cut off, and which leaves copies of the answer.
func Hidden(ctx context.Context, in *os.File, out io.Writer, question string) ([]byte, error) {
	fd := int(in.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("read the terminal: %w", err)
	}
	silent := *before
	silent.Lflag = silent.Lflag&^unix.ECHO | unix.ICANON | unix.ISIG
	silent.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &silent); err != nil {
		return nil, fmt.Errorf("read the terminal: %w", err)
	}
	defer func() {
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, before) // a terminal that has gone needs nothing
		fmt.Fprintln(out)
	}()
	fmt.Fprint(out, question)
	type answer struct {
		line []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := readLine(fd)
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		return a.line, a.err
	case <-ctx.Done():
		// What was typed so far is not for the shell.
		return nil, errors.Join(ErrInterrupted, unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH))
	}
}

// readLine reads a line in canonical mode, in which the kernel gives whole lines.
func readLine(fd int) ([]byte, error) {
	b := make([]byte, lineLimit)
	for n := 0; ; {
		got, err := unix.Read(fd, b[n:])
		n += max(got, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			clear(b)
			return nil, fmt.Errorf("read the terminal: %w", err)
		case got == 0:
			clear(b)
			return nil, errors.New("the input ended without a line, nothing was changed")
		case n >= lineLimit-1:
			clear(b)
			return nil, fmt.Errorf("a terminal cuts a line off after %d bytes\n  hint: use --from-file, or standard input",
				lineLimit-1)
		case b[n-1] == '\n':
			return b[:n-1], nil
		}
	}
}

// Twice asks for the same twice.
func Twice(ctx context.Context, in *os.File, out io.Writer, question string) ([]byte, error) {
	first, err := Hidden(ctx, in, out, question+": ")
	if err != nil {
		return nil, err
	}
	second, err := Hidden(ctx, in, out, question+", once more: ")
	defer clear(second)
	if err == nil && !bytes.Equal(first, second) {
		err = errors.New("the two differ, nothing was changed")
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}
