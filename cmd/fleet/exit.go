package main

import (
	"errors"

	"fleet/schemas/report"
)

// The exit statuses of every command.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2 // wrong usage
	exitRefused  = 3 // refused, nothing changed
	exitDiffers  = 4 // differs, or changes are pending
	exitReverted = 5 // activation failed and was rolled back
	exitPerson   = 6 // activation failed and the host needs a person
)

// statusError is an error with an exit status of its own. A nil err prints nothing.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

// withStatus gives err an exit status; the result is never nil.
func withStatus(status int, err error) error { return &statusError{status: status, err: err} }

// usage marks err as the caller's mistake on the command line.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return withStatus(exitUsage, err)
}

// statusOf maps an error to the exit status: a report is a refusal, anything unmarked is a failure.
func statusOf(err error) int {
	var s *statusError
	var r *report.Err
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &s):
		return s.status
	case errors.As(err, &r):
		return exitRefused
	}
	return exitFailed
}
