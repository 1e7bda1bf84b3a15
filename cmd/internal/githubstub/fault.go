package githubstub

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"
)

// Fault is what goes wrong with a request.
type Fault string

// Faults.
const (
	None      Fault = ""
	TooMany   Fault = "429 with Retry-After"
	Secondary Fault = "403 with Retry-After"
	Unsaid    Fault = "403 without Retry-After"
	Exhausted Fault = "hourly limit"
	Down      Fault = "502 before the effect"
	Late      Fault = "502 after the effect"
	Unsent    Fault = "disconnect before the effect"
	Unheard   Fault = "disconnect after the effect"
	CutOff    Fault = "disconnect within the answer"
	Garbage   Fault = "no JSON"
	Double    Fault = "entries twice"
	Shuffled  Fault = "entries in another order"
	Shifted   Fault = "entries move while pages are read"
	Stale     Fault = "what is new is not to be seen yet"
)

// All are all faults.
var All = []Fault{
	TooMany, Secondary, Unsaid, Exhausted, Down, Late, Unsent, Unheard, CutOff, Garbage, Double, Shuffled, Shifted, Stale,
}

// staleness is how long what is new is missing from a list that is Stale.
const staleness = 2 * time.Second

// hides tells whether a list lacks what was made then.
func (c *call) hides(made time.Time) bool {
	lag := c.s.Lag
	if c.fault == Stale {
		lag = max(lag, staleness)
	}
	return time.Since(made) < lag
}

// retryAfter is what a limit asks for, in seconds.
const retryAfter = 7

// fault refuses a request before it has an effect.
func (s *Server) fault(t *token, f Fault) *refusal {
	wait := func(d time.Duration, why string) { t.until, t.untilWhy = time.Now().Add(d), why }
	switch f {
	case TooMany, Secondary:
		wait(retryAfter*time.Second, "Retry-After")
		status := http.StatusTooManyRequests
		if f == Secondary {
			status = http.StatusForbidden
		}
		return &refusal{
			status: status, message: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
			header: map[string]string{"Retry-After": strconv.Itoa(retryAfter)},
		}
	case Unsaid:
		wait(time.Minute, "a secondary limit")
		return &refusal{status: http.StatusForbidden, message: "You have exceeded a secondary rate limit."}
	case Exhausted:
		t.used = hourly
		return s.exhausted(t)
	case Down:
		return &refusal{status: http.StatusBadGateway, message: "Server Error"}
	case Unsent:
		panic(http.ErrAbortHandler)
	}
	return nil
}

// cut is an answer that the connection does not outlive.
func cut(w http.ResponseWriter, h http.Header, status int, body []byte) {
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body[:len(body)/2])
	panic(http.ErrAbortHandler)
}

// Transport is a way to the server without a network, on which a test's own clock can run.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ server *Server }

// RoundTrip is http.RoundTripper's.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	request := r.Clone(r.Context())
	request.RequestURI = r.URL.RequestURI()
	if request.Body == nil {
		request.Body = http.NoBody
	}
	aborted := t.serve(w, request)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if aborted && w.Body.Len() == 0 {
		return nil, errors.New("connection reset by peer")
	}
	resp := w.Result()
	resp.Request = r
	if aborted {
		resp.Body = io.NopCloser(io.MultiReader(w.Body, broken{}))
	}
	return resp, nil
}

func (t transport) serve(w http.ResponseWriter, r *http.Request) (aborted bool) {
	defer func() {
		switch e := recover(); e {
		case nil:
		case http.ErrAbortHandler: //nolint:errorlint // a value of panic
			aborted = true
		default:
			panic(e)
		}
	}()
	t.server.ServeHTTP(w, r)
	return false
}

type broken struct{}

// Read is io.Reader's.
func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
