package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fleet/activate/safefile"
)

// bootLinks are the confirmed generations that a boot may take, the best first: if one is damaged the next is taken.
var bootLinks = []string{"boot", "boot.1", "boot.2"}

// Boots returns the numbers that boot, boot.1 and boot.2 name, 0 where a link is missing.
func (p *Profile) Boots() ([3]int, error) {
	var out [3]int
	for i, name := range bootLinks {
		n, err := readLink(filepath.Join(p.Dir(), name), "generations/")
		if err != nil {
			return out, err
		}
		out[i] = n
	}
	return out, nil
}

// Boot returns the number of the generation that boots, 0 if none was ever confirmed.
func (p *Profile) Boot() (int, error) {
	b, err := p.Boots()
	return b[0], err
}

// Active returns the number of the generation that is live, 0 if none is.
func (p *Profile) Active() (int, error) {
	return readLink(filepath.Join(p.Run(), "active"), p.activePrefix())
}

// activePrefix is what the active link's target begins with. It has no Root: the host's own programs follow it.
func (p *Profile) activePrefix() string { return "/etc/fleet/" + p.Project + "/generations/" }

func readLink(path, prefix string) (int, error) {
	target, err := os.Readlink(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	name, ok := strings.CutPrefix(target, prefix)
	n, isNumber := number(name)
	if !ok || !isNumber {
		return 0, fmt.Errorf("link %s -> %q must lead to %sNUMBER", path, target, prefix)
	}
	return n, nil
}

// SetActive makes generation n the live one.
func (p *Profile) SetActive(n int) error {
	return safefile.Link(p.fx, p.Run(), "active", p.activePrefix()+strconv.Itoa(n))
}

// ClearActive leaves no generation live.
func (p *Profile) ClearActive() error { return safefile.Remove(p.fx, filepath.Join(p.Run(), "active")) }

// Confirm makes n, which is proved whole once more, the generation that boots; the ones before stay as boot.1 and
// boot.2, but for those that are damaged. All content is put on disk first. The move of `boot` comes last and is the
// commit point: before it the host boots what it booted, after it n. Interrupted and called again it comes to the same
// end.
func (p *Profile) Confirm(n int) error {
	if _, err := p.Verify(n); err != nil {
		return err
	}
	boots, err := p.Boots()
	if err != nil {
		return err
	}
	want := []int{n}
	for _, b := range boots {
		if b == 0 || slices.Contains(want, b) {
			continue
		}
		if _, err := p.Verify(b); err == nil {
			want = append(want, b)
		}
	}
	for _, dir := range []string{p.Generations(), p.Store()} {
		if err := safefile.SyncFS(p.fx, dir); err != nil {
			return err
		}
	}
	return p.moveBoots(boots[:], want)
}

// moveBoots makes the links lead to the wanted generations, the first one last.
func (p *Profile) moveBoots(are, want []int) error {
	for i := len(bootLinks) - 1; i >= 0; i-- {
		var err error
		switch {
		case i >= len(want):
			err = safefile.Remove(p.fx, filepath.Join(p.Dir(), bootLinks[i]))
		case are[i] != want[i]:
			err = safefile.Link(p.fx, p.Dir(), bootLinks[i], "generations/"+strconv.Itoa(want[i]))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
