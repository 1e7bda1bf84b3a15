package scrub

import "bytes"

// Stream replaces values in what comes in parts, such as the lines of a log, of which a value may have several.
type Stream struct {
	s    *Scrubber
	held []byte // may be the beginning of a value
}

// Stream makes one that nothing has come through.
func (s *Scrubber) Stream() *Stream { return &Stream{s: s} }

// Next takes a part and returns what is sure to hold no value and no beginning of one. It is good until the next call.
func (t *Stream) Next(part []byte) []byte {
	all, _ := t.s.Bytes(append(t.held, part...))
	hold := t.s.begun(all)
	t.held = bytes.Clone(all[len(all)-hold:])
	return all[:len(all)-hold]
}

// End returns what is left when no part comes any more.
func (t *Stream) End() []byte {
	rest := t.held
	t.held = nil
	return rest
}

// begun is how many bytes at the end of b may be the beginning of a value.
func (s *Scrubber) begun(b []byte) int {
	for n := min(s.longest-1, len(b)); n > 0; n-- {
		end := b[len(b)-n:]
		for _, p := range s.patterns {
			if len(p.text) > n && bytes.HasPrefix(p.text, end) {
				return n
			}
		}
	}
	return 0
}
