package vault

import (
	"bytes"
	"errors"
	"unicode/utf8"

	"fleet/schemas/policy"
)

var (
	errControl = errors.New("must have no control character, such as the end of a line")
	errASCII   = errors.New("must be ASCII, since it goes into a field or a query")
	errUTF8    = errors.New("must be UTF-8")
	errSpace   = errors.New("must have no space where bearer or sigv4 is a place of it")
	errEdges   = errors.New("must not begin or end with a space")
	errHolds   = errors.New("must not be a placeholder, hold one or be a part of one")
)

// fits tells whether a value can stand at the places of its secret, and can be told from every placeholder.
func fits(s *policy.Secret, value []byte, all []policy.Secret) error {
	field := s.Header != "" || s.Bearer || s.Query != "" || s.SigV4 != ""
	switch {
	case bytes.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return errControl
	case field && bytes.ContainsFunc(value, func(c rune) bool { return c > '~' }):
		return errASCII
	case !utf8.Valid(value):
		return errUTF8
	case (s.Bearer || s.SigV4 != "") && bytes.IndexByte(value, ' ') >= 0:
		return errSpace
	case value[0] == ' ' || value[len(value)-1] == ' ':
		return errEdges
	}
	for i := range all {
		p := []byte(all[i].Placeholder)
		if bytes.Contains(value, p) || bytes.Contains(p, value) {
			return errHolds
		}
	}
	return nil
}
