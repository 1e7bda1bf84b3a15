package frames

import "github.com/modelcontextprotocol/go-sdk/jsonrpc"

// scanner looks for the keys id and method of a JSON object that comes in parts and is too long to be kept.
type scanner struct {
	method bool // there is one

	depth   int
	text    bool // inside quotes
	escaped bool
	keyNext bool // the next text is a key of the object itself
	inKey   bool
	inID    bool
	key     []byte
	value   []byte // of id
}

// maxKey and maxID bound what is kept. No key that counts is longer, and no identifier that we have given out.
const maxKey, maxID = 8, 256

func (s *scanner) feed(b []byte) {
	for _, c := range b {
		if s.text {
			s.inside(c)
		} else {
			s.outside(c)
		}
	}
}

func (s *scanner) inside(c byte) {
	end := c == '"' && !s.escaped
	s.escaped = c == '\\' && !s.escaped
	switch {
	case s.inID:
		s.keep(c)
	case s.inKey && !end && len(s.key) <= maxKey:
		s.key = append(s.key, c)
	}
	if end {
		s.text, s.inKey = false, false
	}
}

func (s *scanner) outside(c byte) {
	top := s.depth == 1
	switch c {
	case '"':
		s.text = true
		s.inKey, s.keyNext = top && s.keyNext, false
		if s.inKey {
			s.key = s.key[:0]
		}
	case '{', '[':
		s.depth++
		s.keyNext = s.depth == 1 && c == '{'
	case '}', ']':
		s.depth--
		s.inID = s.inID && !top
	case ',':
		s.inID = s.inID && !top
		s.keyNext = top
	case ':':
		if top {
			s.named(string(s.key))
			return
		}
	}
	if s.inID {
		s.keep(c)
	}
}

// named begins the value of a key.
func (s *scanner) named(key string) {
	switch key {
	case "id":
		s.inID, s.value = true, s.value[:0]
	case "method":
		s.method = true
	}
}

func (s *scanner) keep(c byte) {
	if len(s.value) <= maxID {
		s.value = append(s.value, c)
	}
}

func (s *scanner) id() jsonrpc.ID {
	if len(s.value) > maxID {
		return jsonrpc.ID{}
	}
	return parseID(s.value)
}
