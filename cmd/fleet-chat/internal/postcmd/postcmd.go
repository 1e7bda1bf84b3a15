// Package postcmd is `fleet-chat post`: how root's scripts, such as the watchdog, and an activation say something as the
// fleet, over the chat's control socket. It gives up soon: what calls it has other things to do, and its own journal.
package postcmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"fleet/cmd/fleet-chat/internal/clean"
	"fleet/cmd/internal/chatctl"
	"fleet/cmd/internal/daemon"
	"fleet/schemas/chat"
)

const (
	// waitTime is how long the chat has, if --wait says nothing else; it may have to start first.
	waitTime = 5 * time.Second
	maxWait  = time.Minute
)

// options are the command line.
type options struct {
	socket, channel string
	wait            time.Duration
	text            string
}

func parse(args []string, stdin io.Reader, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("fleet-chat post", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: fleet-chat post --socket PATH [--channel KEY] [--wait TIME] [--] TEXT...\n"+
			"Says TEXT, or with - what standard input has, as the fleet. Needs root.")
		f.PrintDefaults()
	}
	f.StringVar(&o.socket, "socket", "", "the chat's control `socket`, /run/fleet/PROJECT/chat.sock")
	f.StringVar(&o.channel, "channel", chat.Alerts, "`key` of the channel")
	f.DurationVar(&o.wait, "wait", waitTime, "give up after so long")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case o.socket == "":
		return o, errors.New("--socket must name the chat's control socket")
	case o.channel == "":
		return o, errors.New("--channel must name a channel")
	case o.wait <= 0 || o.wait > maxWait:
		return o, fmt.Errorf("--wait must be at most %s, is %s", maxWait, o.wait)
	}
	o.text = strings.Join(f.Args(), " ")
	if f.NArg() == 1 && f.Arg(0) == "-" {
		b, err := io.ReadAll(io.LimitReader(stdin, chat.MaxMessage))
		if err != nil {
			return o, fmt.Errorf("read the text from standard input: %w", err)
		}
		o.text = string(b)
	}
	o.text, _ = clean.Cut(clean.Text(o.text), chat.MaxMessage) // an alert that is too long is better than none
	if o.text == "" {
		return o, errors.New("the text must not be empty")
	}
	return o, nil
}

// Run says what args ask for, and returns the exit status: 0 for what the chat has stored, or counts in order to tell it
// with others, 2 for a wrong command line, 1 for all else.
func Run(args []string, stdin io.Reader, stderr io.Writer) int {
	log := daemon.NewLog(stderr)
	o, err := parse(args, stdin, stderr)
	if err != nil {
		return daemon.Misused(log, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.wait)
	defer cancel()
	_, err = chatctl.New(o.socket).Alert(ctx, chatctl.Alert{Channel: o.channel, Text: o.text})
	if err != nil {
		log.WithField("channel", o.channel).Errorf("the chat has not taken what was to be said: %v", err)
		return 1
	}
	return 0
}
