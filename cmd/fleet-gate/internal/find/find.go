// Package find looks for many texts at once in a stream of bytes, most of which it passes over without a look.
//
// A text that is as long as a window or longer has, wherever it stands, one of the places that lie a window apart, less
// a block, at one of its own first blocks. So only the block at each of these places is looked at, in a table of the
// texts' blocks by hash; nothing depends on what came before, and the longer the texts are, the less is looked at.
package find

import (
	"bytes"
	"encoding/binary"
	"unsafe"
)

const (
	// block is how many bytes are looked at at a place.
	block = 4

	// maxWindow bounds the window, and with it the table: longer ones bring little.
	maxWindow = 64

	// slotBits is the size of the table. One of two bytes more would not fit in a processor's nearest cache.
	slotBits = 14
)

// Set is the texts that are looked for. It does not change, so that any number of goroutines may use it.
type Set struct {
	texts  [][]byte
	window int
	some   [1 << slotBits]bool // there are blocks in the slot
	head   []int32             // by slot, the first of its chain in blocks; None: nothing
	blocks []entry
	first  [256]bool // bytes that texts begin with
}

// entry is a block of a text.
type entry struct {
	text, next int32
	offset     uint8
}

// None is the number of no text.
const None = -1

// MinText is how long a text must be.
const MinText = block

// New makes a set. No text is shorter than MinText; of the same text twice, one of the two is found.
func New(texts [][]byte) *Set {
	s := &Set{texts: texts, window: maxWindow}
	if len(texts) == 0 {
		return s
	}
	for _, t := range texts {
		s.window = min(s.window, len(t))
		s.first[t[0]] = true
	}
	s.head = make([]int32, 1<<slotBits)
	for i := range s.head {
		s.head[i] = None
	}
	for i, t := range texts {
		for offset := range s.stride() {
			k := slot(t[offset:])
			s.some[k] = true
			s.blocks = append(s.blocks, entry{int32(i), s.head[k], uint8(offset)})
			s.head[k] = int32(len(s.blocks) - 1)
		}
	}
	return s
}

// stride is how far the places are apart that are looked at.
func (s *Set) stride() int { return s.window - block + 1 }

// slot is the slot of the block that b begins with: Knuth's multiplicative hash.
func slot(b []byte) uint32 { return binary.LittleEndian.Uint32(b) * 2654435769 >> (32 - slotBits) }

// Empty tells whether there is nothing to look for.
func (s *Set) Empty() bool { return s == nil || len(s.texts) == 0 }

// Next returns the first place of b, from a place on, at which one of the texts is, the longest of those there, and which
// one. Without one it is the first place at which one may begin, or len(b), and None. Nothing comes behind b where it is
// whole.
func (s *Set) Next(b []byte, from int, whole bool) (at, which int) {
	if s.Empty() {
		return len(b), None
	}
	stride := s.stride()
	i := from + stride - 1 // from here on a text that begins at from or up to here has its block
	for ; i+block <= len(b); i += stride {
		if k := slot(b[i:]); s.some[k] {
			if at, which, ok := s.around(b, from, i, s.head[k], whole); ok {
				return at, which
			}
		}
	}
	if whole {
		return len(b), None
	}
	for i = max(from, i-stride+1); i < len(b); i++ {
		if s.first[b[i]] && s.begins(b[i:]) {
			return i, None
		}
	}
	return len(b), None
}

// around looks for texts that have a block of a chain at i, and returns the first place of one as Next does.
func (s *Set) around(b []byte, from, i int, chain int32, whole bool) (at, which int, ok bool) {
	at, which = len(b), None
	open := false // a text may be at at, of which more has to come
	for ; chain != None; chain = s.blocks[chain].next {
		e := &s.blocks[chain]
		t, start := s.texts[e.text], i-int(e.offset)
		if start < from || start > at || b[start] != t[0] {
			continue
		}
		rest := b[start:]
		part := len(t) > len(rest)
		if part && (whole || !bytes.HasPrefix(t, rest)) || !part && !bytes.HasPrefix(rest, t) {
			continue
		}
		if start < at {
			at, which, open = start, None, false
		}
		open = open || part
		if !part && (which == None || len(t) > len(s.texts[which])) {
			which = int(e.text)
		}
	}
	if open {
		which = None
	}
	return at, which, open || which != None
}

// begins tells whether b is the begin of a text.
func (s *Set) begins(b []byte) bool {
	for _, t := range s.texts {
		if bytes.HasPrefix(t, b) {
			return true
		}
	}
	return false
}

// In returns which text is in b, None where none is.
func (s *Set) In(b []byte) int {
	_, which := s.Next(b, 0, true)
	return which
}

// InString is In for a string.
func (s *Set) InString(t string) int {
	if s.Empty() || len(t) < s.window {
		return None
	}
	return s.In(unsafe.Slice(unsafe.StringData(t), len(t))) // read alone; a copy would cost more than the search
}
