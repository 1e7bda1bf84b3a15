package discord

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fleet/cmd/internal/sleep"
)

// limits keeps one bot's requests within Discord's rate limits. discordgo's own limiter does not do: it reads the
// wrong field of a 429, so that it sends too early where a limit is not the bucket's usual one (as for titles, twice
// in ten minutes), it does not know a global 429, and it sleeps without an end that a context could make. So it is
// left without the headers.
type limits struct {
	next http.RoundTripper
	pace *pace
	all  *rate.Limiter // of all requests together

	mu      sync.Mutex
	global  time.Time            // nothing before
	names   map[string]string    // route to the name of its bucket
	windows map[string]*window   // by the bucket's name, or else the route, and the major parameter
	closed  map[string]time.Time // by what a 429 was for, nothing before
}

type window struct {
	limit int           // requests in span
	span  time.Duration // as far as it was seen
	left  int           // requests until then
	until time.Time     // when it is full again
}

// windowsMost bounds how many buckets are remembered: each thread has its own.
const windowsMost = 2000

func newLimits(next http.RoundTripper, p *pace) *limits {
	return &limits{
		next: next, pace: p, all: rate.NewLimiter(rate.Limit(p.perSecond), max(1, p.perSecond/4)),
		names: map[string]string{}, windows: map[string]*window{}, closed: map[string]time.Time{},
	}
}

// limited is the end of a request that has not been carried out, and may be sent again after a while.
type limited struct {
	after time.Duration
	route string
}

func (e *limited) Error() string {
	return fmt.Sprintf("%s: Discord's rate limit allows it in %s", e.route, e.after.Round(time.Millisecond))
}

// RoundTrip waits until the request may be sent, if that is soon, and sends it.
func (l *limits) RoundTrip(r *http.Request) (*http.Response, error) {
	to := routeOf(r)
	if err := l.wait(r.Context(), to); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	resp, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusTooManyRequests {
		defer resp.Body.Close()
		return nil, &limited{l.refused(to, resp), to.name}
	}
	l.told(to, resp.Header)
	for _, name := range []string{"Limit", "Remaining", "Reset", "Reset-After", "Bucket"} {
		resp.Header.Del("X-RateLimit-" + name)
	}
	return resp, nil
}

func (l *limits) wait(ctx context.Context, to route) error {
	for {
		wait := l.reserve(to)
		if wait <= 0 {
			return l.all.Wait(ctx)
		}
		if wait > l.pace.patience {
			return &limited{wait, to.name}
		}
		if err := sleep.For(ctx, wait); err != nil {
			return err
		}
	}
}

// reserve takes one of the requests that the bucket has left, or tells how long to wait for one.
func (l *limits) reserve(to route) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	shut := l.global
	for _, key := range []string{l.bucket(to), to.key(), to.apart} {
		if at := l.closed[key]; at.After(shut) {
			shut = at
		}
	}
	w := l.windows[l.bucket(to)]
	switch {
	case now.Before(shut):
		return shut.Sub(now)
	case w == nil:
		return 0 // the answer tells how many are left
	case !now.Before(w.until):
		w.left, w.until = w.limit, now.Add(w.span)
	case w.left <= 0:
		return w.until.Sub(now)
	}
	w.left--
	return 0
}

// bucket returns what the bucket of a route is remembered by.
func (l *limits) bucket(to route) string {
	if name := l.names[to.name]; name != "" {
		return name + " " + to.major
	}
	return to.key()
}

// told remembers what an answer says of its bucket.
func (l *limits) told(to route, h http.Header) {
	name := h.Get("X-RateLimit-Bucket")
	limit, err := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	left, err2 := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	after, ok := seconds(h.Get("X-RateLimit-Reset-After"))
	if name == "" || err != nil || err2 != nil || !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
	l.names[to.name] = name
	w := l.windows[l.bucket(to)]
	if w == nil {
		w = &window{left: left}
		l.windows[l.bucket(to)] = w
	}
	// Answers may overtake each other, so the one that leaves less holds.
	w.limit, w.span, w.left = limit, max(w.span, after), min(w.left, left)
	if until := time.Now().Add(after); until.After(w.until) {
		w.until = until
	}
}

// refused remembers a 429 and returns how long to wait.
func (l *limits) refused(to route, resp *http.Response) time.Duration {
	var body struct {
		After  float64 `json:"retry_after"`
		Global bool    `json:"global"`
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	isJSON := json.Unmarshal(text, &body) == nil
	after, ok := seconds(resp.Header.Get("Retry-After")) // in whole seconds; the body has it exactly
	if exact, is := seconds(strconv.FormatFloat(body.After, 'f', -1, 64)); is && exact > 0 {
		after, ok = exact, true
	}
	if !ok {
		after = time.Minute
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget()
	until := time.Now().Add(after)
	switch {
	// What is not JSON comes from before the interface, which then refuses this host in everything.
	case body.Global, !isJSON, resp.Header.Get("X-RateLimit-Global") != "":
		l.global = until
	case to.apart != "":
		l.closed[to.apart] = until
	default:
		l.closed[l.bucket(to)] = until
	}
	return after
}

// forget drops what is over, when there is much.
func (l *limits) forget() {
	if len(l.windows)+len(l.closed) < windowsMost {
		return
	}
	now := time.Now()
	maps.DeleteFunc(l.windows, func(_ string, w *window) bool { return now.After(w.until) })
	maps.DeleteFunc(l.closed, func(_ string, until time.Time) bool { return now.After(until) })
}

func seconds(text string) (time.Duration, bool) {
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || s < 0 || s > float64(24*time.Hour/time.Second) {
		return 0, false
	}
	return time.Duration(math.Ceil(s * float64(time.Second))), true
}

var (
	majorPattern = regexp.MustCompile(`^/api/v\d+/(?:channels|guilds|webhooks)/(\d+)`)
	idPattern    = regexp.MustCompile(`\d{5,}`)
	emojiPattern = regexp.MustCompile(`/reactions/.*$`)
)

// apart is the context's key of what a request does that has a limit of its own, which no header tells of. A 429 for
// it does not close the bucket to other requests. New titles of threads are so, twice in ten minutes.
type apart struct{}

// route is what Discord's buckets go by.
type route struct {
	name  string // the method, and the path without IDs
	major string // the first ID
	apart string // what it is besides, with all before; "" is nothing
}

func (r route) key() string { return r.name + " " + r.major }

func routeOf(r *http.Request) (to route) {
	if m := majorPattern.FindStringSubmatch(r.URL.Path); m != nil {
		to.major = m[1]
	}
	path := emojiPattern.ReplaceAllString(r.URL.Path, "/reactions")
	to.name = r.Method + " " + strings.TrimPrefix(idPattern.ReplaceAllString(path, "ID"), "/api")
	if what, ok := r.Context().Value(apart{}).(string); ok {
		to.apart = to.key() + " " + what
	}
	return to
}
