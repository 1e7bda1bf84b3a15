package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/cmd/fleet-chat/internal/store"
	"fleet/cmd/internal/chatctl"
)

// fault is a request that is not answered with what it asks for.
type fault struct {
	status int
	text   string
}

func (f *fault) Error() string { return f.text }

func bad(format string, args ...any) error {
	return &fault{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) error {
	return &fault{http.StatusConflict, fmt.Sprintf(format, args...)}
}

// answer answers one request.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, f do) {
	var out any
	by, err := s.admit(w, r)
	if err == nil {
		out, err = f(request{r, by})
	}
	if err != nil {
		s.refuse(w, err)
		return
	}
	s.write(w, http.StatusOK, out)
}

// admit tells who asks, and reads the request's body in time.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (caller, error) {
	by, err := callerOf(r.Context())
	if err != nil {
		return by, &fault{http.StatusForbidden, err.Error()}
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(readTime)); err != nil {
		return by, err
	}
	r.Body = http.MaxBytesReader(w, r.Body, chatctl.MaxBody)
	text, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return by, &fault{http.StatusRequestEntityTooLarge, fmt.Sprintf("a request has at most %d bytes", chatctl.MaxBody)}
	case err != nil:
		return by, bad("the request cannot be read")
	}
	r.Body = io.NopCloser(strings.NewReader(string(text)))
	return by, control.SetReadDeadline(time.Time{}) // what follows may take long
}

// refuse tells why something was not done. What went wrong inside is the log's to know.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	var f *fault
	var refused store.Refused
	switch {
	case errors.As(err, &f):
	case errors.As(err, &refused):
		f = &fault{http.StatusConflict, refused.Error()}
	default:
		s.log.WithError(err).Error("an operator's request failed")
		f = &fault{http.StatusInternalServerError, "the chat failed to do it; its journal says why"}
	}
	s.write(w, f.status, chatctl.Failure{Error: f.text})
}

func (s *Server) write(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err == nil {
		err = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.patience))
	}
	if err != nil {
		s.log.WithError(err).Error("an answer cannot be written")
		status, text = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // whoever does not read asks again
}

// read reads what a request has sent: one JSON value of known keys.
func read[T any](r request) (v T, err error) {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, bad("the request is not what this chat takes: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, bad("the request must be one JSON value")
	}
	return v, nil
}

// values are the parameters of a request.
type values struct {
	all   url.Values
	fault error
}

// parameters takes those that are known; each comes once, but for the ones in many.
func parameters(r *http.Request, known []string, many ...string) *values {
	all, err := url.ParseQuery(r.URL.RawQuery)
	v := &values{all: all}
	if err != nil {
		v.fault = bad("the parameters cannot be read")
	}
	for name, list := range all {
		switch {
		case slices.Contains(many, name):
		case !slices.Contains(known, name):
			v.keep(bad("there is no parameter %q", name))
		case len(list) > 1:
			v.keep(bad("%s must be there once", name))
		}
	}
	return v
}

func (v *values) keep(err error) {
	if v.fault == nil {
		v.fault = err
	}
}

// number reads a number from least to most; it is least where the parameter is missing.
func (v *values) number(name string, least, most int64) int64 {
	text := v.all.Get(name)
	if text == "" {
		return least
	}
	n, err := parseNumber(text, most)
	if err != nil || n < least {
		v.keep(bad("%s must be a number from %d to %d, is %.20q", name, least, most, text))
	}
	return n
}

var errNumber = errors.New("no number")

// parseNumber reads a number from 0 on in its usual form.
func parseNumber(text string, most int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > most || strconv.FormatInt(n, 10) != text {
		return 0, errNumber
	}
	return n, nil
}

// checkKey refuses the key of something that shall happen once, where it is none.
func checkKey(key string) error {
	if len(key) > chatctl.MaxKey || strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return bad("key must be at most %d printable ASCII characters without spaces", chatctl.MaxKey)
	}
	return nil
}
