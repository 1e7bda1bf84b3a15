package find

import (
	"errors"
	"io"
)

// minRead is how much room there must be to read more behind what is held back.
const minRead = 512

// Reader passes a stream on in which a set's texts are looked for. It holds back what may be the begin of one, and that
// only until the next byte shows that it is none; what ends with an error is not passed on any more then.
type Reader struct {
	from  io.Reader
	set   *Set
	found func(text []byte, which int) error

	held  []byte // what may begin a text
	ready []byte // what was read into room and can go
	room  []byte // used where a caller's buffer has too little of it
	err   error
}

// NewReader reads from r. Where a text is, found may change it; its error ends the stream right before that text.
func NewReader(r io.Reader, set *Set, found func(text []byte, which int) error) *Reader {
	return &Reader{from: r, set: set, found: found}
}

// Read reads what is decided. It waits where all that has come may begin a text.
func (r *Reader) Read(p []byte) (n int, err error) {
	for n == 0 && err == nil && len(p) > 0 {
		n, err = r.Some(p)
	}
	return n, err
}

// Some reads what one read of the stream decides, which may be nothing, for whoever has something to do meanwhile.
func (r *Reader) Some(p []byte) (int, error) {
	if len(r.ready) == 0 && r.err == nil {
		if len(p) >= len(r.held)+minRead {
			if n := r.fill(p); n > 0 || r.err == nil {
				return n, nil
			}
			return 0, r.err
		}
		if need := len(r.held) + 4*minRead; len(r.room) < need {
			r.room = make([]byte, 2*need)
		}
		r.ready = r.room[:r.fill(r.room)]
	}
	if n := copy(p, r.ready); n > 0 {
		r.ready = r.ready[n:]
		return n, nil
	}
	return 0, r.err
}

// fill reads once into p, behind what was held back, and returns how much of p can go.
func (r *Reader) fill(p []byte) int {
	n := copy(p, r.held)
	got, err := r.from.Read(p[n:])
	n += got
	r.err = err
	end, err := r.pass(p[:n], errors.Is(err, io.EOF))
	if err != nil {
		r.err = err
	}
	r.held = append(r.held[:0], p[end:n]...)
	return end
}

// pass looks at all texts in b and returns how much of b is decided.
func (r *Reader) pass(b []byte, whole bool) (int, error) {
	for at := 0; ; {
		next, which := r.set.Next(b, at, whole)
		if which == None {
			return next, nil
		}
		at = next + len(r.set.texts[which])
		if err := r.found(b[next:at], which); err != nil {
			return next, err
		}
	}
}
