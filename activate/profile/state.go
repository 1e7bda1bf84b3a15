package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fleet/activate/safefile"
	"fleet/schemas/state"
)

// backup is what state.json held before its last change.
const backup = ".bak"

// LoadState returns the project's record; a project that the host never held has an empty one. A damaged record is
// replaced by the backup of the change before; if that is damaged too, it is an error that names both.
func (p *Profile) LoadState() (*state.State, error) {
	s, err := p.readState(p.StateFile())
	if err == nil {
		return s, nil
	}
	old, oldErr := p.readState(p.StateFile() + backup)
	switch {
	case oldErr == nil:
		return old, nil
	case errors.Is(err, fs.ErrNotExist) && errors.Is(oldErr, fs.ErrNotExist):
		return state.New(p.Project), nil
	}
	return nil, fmt.Errorf("neither %s nor its backup can be read: move both away to begin a new history: %w",
		p.StateFile(), errors.Join(err, oldErr))
}

func (p *Profile) readState(path string) (*state.State, error) {
	b, err := readBounded(path, state.MaxSize)
	if err != nil {
		return nil, err
	}
	s, err := state.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if s.Project != p.Project {
		return nil, fmt.Errorf("%s is of project %q", path, s.Project)
	}
	return s, nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	d, err := safefile.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Read(filepath.Base(path), limit)
}

// SaveState puts the record on disk, the one before beside it.
func (p *Profile) SaveState(s *state.State) error {
	b, err := state.Encode(s)
	if err != nil {
		return err
	}
	old, err := readBounded(p.StateFile(), state.MaxSize)
	if err == nil {
		if _, parseErr := state.Parse(old); parseErr == nil { // a damaged one must not take the good backup's place
			err = p.writeFile(p.StateFile()+backup, old, 0o600)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return p.writeFile(p.StateFile(), b, 0o600)
}

// SaveTxn puts the record of a switch on disk: first what the revert script reads, then the record.
func (p *Profile) SaveTxn(t *state.Txn) error {
	lines, err := t.Lines()
	if err != nil {
		return err
	}
	b, err := state.EncodeTxn(t)
	if err != nil {
		return err
	}
	if err := p.writeFile(p.TxnLines(t.Nonce), lines, 0o600); err != nil {
		return err
	}
	return p.writeFile(p.TxnFile(t.Nonce), b, 0o600)
}

// WriteTxn puts the record on disk again, when nothing but its phase and reason has changed.
func (p *Profile) WriteTxn(t *state.Txn) error {
	b, err := state.EncodeTxn(t)
	if err != nil {
		return err
	}
	return p.writeFile(p.TxnFile(t.Nonce), b, 0o600)
}

// The words that a result begins with, see install.Revert.
const (
	resultReverted  = "reverted"
	resultCommitted = "committed"
)

// Commit is the commit point of a switch: Confirm(t.To). Where `boot` named that generation before, so that its move
// tells nothing, a line in the result says it.
func (p *Profile) Commit(t *state.Txn) error {
	if err := p.Confirm(t.To); err != nil || t.Boot != t.To {
		return err
	}
	return p.writeFile(p.TxnResult(t.Nonce), []byte(resultCommitted+"\n"), 0o600)
}

// Unfinished is a switch whose record was not removed.
type Unfinished struct {
	Txn       *state.Txn // nil where the record cannot be read, see Err
	Nonce     string
	Err       error
	Committed bool     // it passed its commit point: it is to be finished, not undone
	Reverted  bool     // the dead man is done with it
	Failed    []string // units that did not run again after that
}

// Unfinished returns the switches that were begun and not ended, by nonce. Who holds the project's lock and finds one
// knows that its process is dead.
func (p *Profile) Unfinished() ([]Unfinished, error) {
	entries, err := os.ReadDir(p.Txn())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Unfinished
	for _, e := range entries {
		nonce, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || strings.HasPrefix(nonce, ".") {
			continue
		}
		u := Unfinished{Nonce: nonce}
		var b []byte
		if b, u.Err = readBounded(filepath.Join(p.Txn(), e.Name()), state.MaxTxn); u.Err == nil {
			u.Txn, u.Err = state.ParseTxn(b)
		}
		if err := p.judgeTxn(&u); err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// judgeTxn says how far the switch came, as the revert script does.
func (p *Profile) judgeTxn(u *Unfinished) error {
	b, err := readBounded(p.TxnResult(u.Nonce), state.MaxTxn)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	words := strings.Fields(string(b))
	u.Reverted = len(words) > 0 && words[0] == resultReverted
	u.Committed = len(words) > 0 && words[0] == resultCommitted
	for i, w := range words {
		if i > 1 && words[i-1] == "failed" {
			u.Failed = append(u.Failed, w)
		}
	}
	if u.Txn == nil || u.Reverted || u.Committed {
		return nil
	}
	boot, err := p.Boot()
	u.Committed = boot == u.Txn.To && u.Txn.Boot != u.Txn.To
	return err
}

// RemoveTxn removes all that is left of a switch: the record last, so that a killed removal is done again.
func (p *Profile) RemoveTxn(nonce string) error {
	if strings.ContainsAny(nonce, "/") || nonce == "" || nonce == ".." {
		return fmt.Errorf("%q is not the name of a switch", nonce)
	}
	if _, err := os.Lstat(p.RunTxn(nonce)); err == nil {
		err := p.fx.Do("remove revert script", func() error { return os.RemoveAll(p.RunTxn(nonce)) })
		if err != nil {
			return err
		}
	}
	if err := p.removeTxnFiles(func(of string) bool { return of == nonce }); err != nil {
		return err
	}
	return safefile.Remove(p.fx, p.TxnFile(nonce))
}

// SweepTxn removes what killed runs left of records that were never whole, or that were all but removed.
func (p *Profile) SweepTxn() error {
	return p.removeTxnFiles(func(nonce string) bool {
		_, err := os.Lstat(p.TxnFile(nonce))
		return errors.Is(err, fs.ErrNotExist)
	})
}

// removeTxnFiles removes the files of some switches, temporary ones too, but no record.
func (p *Profile) removeTxnFiles(of func(nonce string) bool) error {
	entries, err := os.ReadDir(p.Txn())
	if err != nil {
		return ignoreMissing(err)
	}
	for _, e := range entries {
		nonce, kind, _ := strings.Cut(strings.TrimPrefix(e.Name(), "."), ".")
		if kind == "json" || !of(nonce) {
			continue
		}
		if err := safefile.Remove(p.fx, filepath.Join(p.Txn(), e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Find returns the generation that a person means by arg: a number, or an id prefix of at least four digits that one
// generation of the host has; of several with that very id the newest.
func (p *Profile) Find(arg string) (int, error) {
	numbers, err := p.Numbers()
	if err != nil {
		return 0, err
	}
	if n, ok := number(arg); ok && slices.Contains(numbers, n) {
		return n, nil
	}
	found, id := 0, ""
	for _, n := range numbers {
		m, err := p.Read(n)
		if err != nil || len(arg) < 4 || !strings.HasPrefix(string(m.ID), arg) {
			continue
		}
		if id != "" && id != string(m.ID) {
			return 0, fmt.Errorf("%q is the beginning of several ids: give more digits", arg)
		}
		found, id = n, string(m.ID)
	}
	if found == 0 {
		return 0, fmt.Errorf("the host holds no generation %q of project %s: see `fleet generations`", arg, p.Project)
	}
	return found, nil
}
