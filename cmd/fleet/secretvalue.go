package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"fleet/activate/vault"
	"fleet/cmd/fleet/internal/caller"
	"fleet/cmd/fleet/internal/prompt"
)

// valueFlags say where a value comes from; without them it is the terminal, or what is piped in.
type valueFlags struct{ file, command string }

const valueHelp = `

Without a flag the value is asked for on the terminal, or read from standard input where that is none. The command of
--from-command runs by sh as the user who called, not as root. Of a value of one line the end of that line is left out;
a value of several lines, and a binary one, is taken as it is.`

func (f *valueFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "from-file", "", "take the content of this `file`")
	cmd.Flags().StringVar(&f.command, "from-command", "", "take what this `command` prints")
}

func (f valueFlags) check() error {
	if f.file != "" && f.command != "" {
		return usage(errors.New("--from-file and --from-command exclude each other"))
	}
	return nil
}

// readValue returns the value, which is the caller's to wipe.
func (a *app) readValue(ctx context.Context, f valueFlags, name string) (vault.Value, error) {
	var b []byte
	var err error
	in, isFile := a.in.(*os.File)
	switch {
	case f.file != "":
		b, err = readPlain(a.path(f.file), mostRead)
	case f.command != "":
		b, err = a.commandOutput(ctx, mostRead, "sh", "-c", f.command)
	case isFile && term.IsTerminal(int(in.Fd())):
		b, err = prompt.Twice(ctx, in, a.err, "Value of "+name)
	default:
		b, err = readBounded(a.in, mostRead)
	}
	if err != nil {
		clear(b)
		return vault.Value{}, err
	}
	return vault.NewValue(b)
}

// mostRead of a value is enough to see that it is too long.
const mostRead = vault.MaxValue + 3

// readBounded reads at most limit bytes into memory that never moves, so that it can be wiped.
func readBounded(r io.Reader, limit int) ([]byte, error) {
	b := make([]byte, limit)
	n, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return b[:n], err
}

// readPlain reads a regular file that the caller named.
func readPlain(path string, limit int) ([]byte, error) {
	b, err := readRegular(path, limit)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, withStatus(exitRefused, fmt.Errorf("there is no file %s", path))
	case err != nil:
		return b, withStatus(exitRefused, err)
	}
	return b, nil
}

// readRegular reads at most limit bytes of a file, which must be a regular one.
func readRegular(path string, limit int) ([]byte, error) {
	f, err := os.OpenFile(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s must be a regular file\n  hint: give what is none on standard input", path)
	}
	return readBounded(f, limit)
}

// commandOutput runs a program as the person who called and returns what it prints. What that is is never shown.
func (a *app) commandOutput(ctx context.Context, limit int, argv ...string) ([]byte, error) {
	who, err := caller.This()
	if err != nil {
		return nil, err
	}
	c := who.Command(ctx, argv...)
	c.Stdin, c.Stderr = a.in, a.err
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("run the command as %s: %w", who.Name, err)
	}
	b, err := readBounded(out, limit)
	if rest, errRest := io.Copy(io.Discard, out); err == nil && errRest == nil && rest > 0 {
		b = append(b[:0], bytes.Repeat([]byte{0}, limit)...) // too long, which the caller sees
	}
	if errWait := c.Wait(); errWait != nil {
		clear(b)
		if ctx.Err() != nil {
			return nil, prompt.ErrInterrupted
		}
		return nil, fmt.Errorf("the command, run as %s: %w\n  hint: nothing was changed", who.Name, errWait)
	}
	return b, err
}
