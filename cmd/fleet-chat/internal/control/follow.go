package control

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"fleet/cmd/internal/chatctl"
	"fleet/schemas/chat"
)

const (
	// followPage messages of a channel are taken at a time.
	followPage = 50

	// followBatch bytes of texts are held, and put in order of time, before they are written.
	followBatch = 1 << 20
)

// stream is what one client follows.
type stream struct {
	s    *Server
	w    http.ResponseWriter
	out  *http.ResponseController
	keys []string         // of the channels, in the order that was asked for
	at   map[string]int64 // the last message that was handed on
	all  bool             // channels that begin later are followed too
}

// follow writes what is said, as it is said. A client that does not read is dropped.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	_, err := s.admit(w, r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	select {
	case s.following <- struct{}{}:
		defer func() { <-s.following }()
	default:
		s.refuse(w, &fault{http.StatusServiceUnavailable, "too many follow the chat already"})
		return
	}
	f := &stream{s: s, w: w, out: http.NewResponseController(w), at: map[string]int64{}}
	if err := f.positions(r); err != nil {
		s.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	w.WriteHeader(http.StatusOK)
	f.run(r)
}

// positions reads where the client is, and refuses what is not there.
func (f *stream) positions(r *http.Request) error {
	v := parameters(r, []string{"new"}, "at")
	if f.all = v.all.Get("new") == chatctl.Yes; !f.all && v.all.Has("new") {
		v.keep(bad("new must be %s", chatctl.Yes))
	}
	if n := len(v.all["at"]); n == 0 && !f.all || n > chatctl.MaxFollowed {
		v.keep(bad("at must be there, from 1 to %d times", chatctl.MaxFollowed))
	}
	if v.fault != nil {
		return v.fault
	}
	have, err := f.s.hub.Chat()
	if err != nil {
		return err
	}
	for _, text := range v.all["at"] {
		if err := f.position(have.Channels, text); err != nil {
			return err
		}
	}
	return nil
}

// position reads CHANNEL:NUMBER.
func (f *stream) position(have []chatctl.Channel, text string) error {
	channel, number, _ := strings.Cut(text, ":")
	n, err := parseNumber(number, math.MaxInt64-1)
	if err != nil {
		return bad("at must be CHANNEL:NUMBER, is %.60q", text)
	}
	if _, twice := f.at[channel]; twice {
		return bad("%.60q must be there once", channel)
	}
	i := slices.IndexFunc(have, func(c chatctl.Channel) bool { return c.Key == channel })
	switch {
	case i < 0 && f.all:
		return nil // it was there before a switch
	case i < 0:
		return conflict("there is no channel %.60q", channel)
	case n > have[i].Last:
		return conflict("channel %q has no message %d, its last one is %d", channel, n, have[i].Last)
	}
	f.keys = append(f.keys, channel)
	f.at[channel] = n
	return nil
}

// begun adds the channels that have begun since.
func (f *stream) begun() error {
	if !f.all {
		return nil
	}
	have, err := f.s.hub.Chat()
	for _, c := range have.Channels {
		if _, known := f.at[c.Key]; !known {
			f.keys = append(f.keys, c.Key)
			f.at[c.Key] = 0
		}
	}
	return err
}

// run hands on what is there and what comes, until the client or the server ends, or something fails.
func (f *stream) run(r *http.Request) {
	beat := time.NewTicker(f.s.beat)
	defer beat.Stop()
	if !f.write(chatctl.Line{}) {
		return
	}
	for {
		news := f.s.hub.News() // before the look, so that nothing is missed between
		more, ok := f.round()
		if !ok {
			return
		}
		if more {
			news = always
		}
		select {
		case <-r.Context().Done():
			return
		case <-f.s.ended:
			return
		case <-news:
		case <-beat.C:
			if !f.write(chatctl.Line{}) {
				return
			}
		}
	}
}

// always is closed.
var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// round hands on a page of each channel at most, and tells whether there is more.
func (f *stream) round() (more, ok bool) {
	if err := f.begun(); err != nil {
		f.s.log.WithError(err).Error("channels cannot be told one who follows")
		return false, false
	}
	var batch [][]chat.Message
	size := 0
	for _, channel := range f.keys {
		after := f.at[channel]
		page, err := f.s.hub.Messages(chatctl.Query{Channel: channel, After: &after, Limit: followPage})
		if err != nil {
			f.s.log.WithError(err).Error("what was said cannot be read for one who follows")
			return false, false
		}
		if len(page.Messages) == 0 {
			continue
		}
		more = more || page.More
		batch = append(batch, page.Messages)
		for _, m := range page.Messages {
			size += len(m.Text)
			f.at[channel] = m.Seq
		}
		if size > followBatch {
			if !f.flush(batch) {
				return false, false
			}
			batch, size = nil, 0
		}
	}
	return more, f.flush(batch)
}

func (f *stream) flush(batch [][]chat.Message) bool {
	for _, m := range chatctl.Merge(batch) {
		if !f.write(chatctl.Line{Message: &m}) {
			return false
		}
	}
	return true
}

func (f *stream) write(l chatctl.Line) bool {
	text, err := json.Marshal(l)
	if err != nil {
		return false
	}
	if err := f.out.SetWriteDeadline(time.Now().Add(f.s.patience)); err != nil {
		return false
	}
	if _, err := f.w.Write(append(text, '\n')); err != nil {
		return false
	}
	return f.out.Flush() == nil
}
