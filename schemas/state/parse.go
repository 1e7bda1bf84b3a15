package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"fleet/schemas/strict"
)

// MaxSize bounds state.json: ten thousand events of half a kilobyte.
const MaxSize = 16 << 20

var (
	projectName = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)
	hexID       = regexp.MustCompile(`^[0-9a-f]{64}$`)
	hexNonce    = regexp.MustCompile(`^[0-9a-f]{16,64}$`)
)

// Encode returns the text of state.json.
func Encode(s *State) ([]byte, error) { return encode("state", s) }

func encode(what string, v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", what, err)
	}
	return append(b, '\n'), nil
}

// Parse reads state.json and migrates an older version. Another project's, a newer version's and a damaged one are
// errors: the caller then takes the backup.
func Parse(b []byte) (*State, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("state must have at most %d bytes, has %d", MaxSize, len(b))
	}
	version, err := strict.Version(b)
	if err != nil {
		return nil, fmt.Errorf("state must be JSON: %w", err)
	}
	if b, err = migrate(b, version); err != nil {
		return nil, err
	}
	s := new(State)
	if err := strict.Into(b, s); err != nil {
		return nil, fmt.Errorf("state must follow its schema: %w", err)
	}
	return s, s.check()
}

// migrations[i] turns version i+1 into version i+2. Version 1 is the first: a new version adds a function here and a
// file of the old one to testdata.
var migrations = []func([]byte) ([]byte, error){}

func migrate(b []byte, version int) ([]byte, error) {
	if version < 1 || version > Version {
		return nil, fmt.Errorf("state has version %d, this tool reads 1 to %d: use the newer tool", version, Version)
	}
	for _, up := range migrations[version-1:] {
		var err error
		if b, err = up(b); err != nil {
			return nil, fmt.Errorf("migrate state: %w", err)
		}
	}
	return b, nil
}

func (s *State) check() error {
	switch {
	case !projectName.MatchString(s.Project):
		return fmt.Errorf("state: project %q is not a project name", s.Project)
	case s.Last < 0:
		return fmt.Errorf("state: last must not be negative, is %d", s.Last)
	case !slices.IsSortedFunc(s.Generations, func(a, b Generation) int { return a.Number - b.Number }):
		return errors.New("state: generations must be sorted by number")
	}
	for i, g := range s.Generations {
		if g.Number < 1 || g.Number > s.Last || i > 0 && s.Generations[i-1].Number == g.Number {
			return fmt.Errorf("state: generation %d must be from 1 to %d and listed once", g.Number, s.Last)
		}
		if g.ID != "" && !hexID.MatchString(string(g.ID)) {
			return fmt.Errorf("state: id %q of generation %d must be 64 hex digits", g.ID, g.Number)
		}
	}
	return s.checkHistory()
}

func (s *State) checkHistory() error {
	for i, e := range s.History {
		if e.From < 0 || e.To < 0 || e.Action == "" || e.Result == "" || strings.ContainsAny(e.Action+e.Result, " \n") {
			return fmt.Errorf("state: history[%d] must have an action, a result and no negative number", i)
		}
	}
	return nil
}
