package tool

import (
	"bytes"
	"io"

	"github.com/sirupsen/logrus"
	"golang.org/x/time/rate"

	"fleet/cmd/fleet-sidecar/internal/scrub"
)

const (
	// maxLine bounds a line of what a program says outside of the protocol.
	maxLine = 1 << 10

	// sayBurst lines go to the journal at once, and sayRate each second after.
	sayBurst, sayRate = 200, 10
)

// said takes what a program says that is no message, for the journal: without the values of secrets, and not without end.
type said struct {
	log   *logrus.Logger
	scrub *scrub.Scrubber
	rate  *rate.Limiter
}

func newSaid(o *Options) *said {
	return &said{log: o.Log, scrub: o.Scrub, rate: rate.NewLimiter(sayRate, sayBurst)}
}

// line takes one line of a stream, which the entry names.
func (s *said) line(stream string, text []byte) {
	if !s.rate.Allow() {
		return
	}
	text = text[:min(len(text), maxLine+s.scrub.Longest())]
	clean, _ := s.scrub.Bytes(text)
	s.write(stream, clean)
}

// odd tells of what cannot be shown.
func (s *said) odd(text string) {
	if s.rate.Allow() {
		s.log.Warn("the tool has sent " + text)
	}
}

// write logs a line without secrets.
func (s *said) write(stream string, line []byte) {
	if line = bytes.TrimSpace(line); len(line) > 0 {
		s.log.WithField(stream, string(line[:min(len(line), maxLine)])).Info("the tool says")
	}
}

// follow takes a stream to its end.
func (s *said) follow(r io.Reader) {
	stream, part := s.scrub.Stream(), make([]byte, 16<<10)
	var line []byte
	for {
		n, err := r.Read(part)
		line = s.lines(line, stream.Next(part[:n]))
		if err != nil {
			break
		}
	}
	line = s.lines(line, stream.End())
	s.lines(line, []byte("\n"))
}

// lines logs the lines that text ends, of which the first began before, and returns the beginning of the next one.
func (s *said) lines(begun, text []byte) []byte {
	for {
		part, rest, whole := bytes.Cut(text, []byte("\n"))
		begun = append(begun, part[:min(len(part), maxLine-min(len(begun), maxLine))]...)
		if !whole {
			return begun
		}
		if s.rate.Allow() {
			s.write("stderr", begun)
		}
		begun, text = begun[:0], rest
	}
}
