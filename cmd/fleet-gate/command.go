package main

import (
	"errors"
	"flag"
	"io"

	"github.com/sirupsen/logrus"
)

// newLog returns the log of a command: a line of JSON for each entry.
func newLog(stderr io.Writer) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(stderr)
	log.SetFormatter(new(logrus.JSONFormatter))
	return log
}

// misused returns the exit status of a command line that was not taken: 0 where it asked for help.
func misused(log *logrus.Logger, err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	log.Error(err)
	return 2
}
