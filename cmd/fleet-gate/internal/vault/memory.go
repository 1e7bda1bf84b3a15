package vault

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// keep copies values into memory of their own, which no core dump has and which is not swapped where the limit of locked
// memory allows that. What goes out with a request is copied from there; to keep that from swap is the unit's business.
func (v *Vault) keep(read map[string][]byte) error {
	size := 0
	for _, b := range read {
		size += len(b)
	}
	room, err := unix.Mmap(-1, 0, max(size, 1), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("memory for secrets: %w", err)
	}
	_ = unix.Mlock(room)
	if err := unix.Madvise(room, unix.MADV_DONTDUMP); err != nil {
		return fmt.Errorf("memory for secrets: %w", err)
	}
	at := 0
	for name, b := range read {
		if len(b) == 0 {
			continue
		}
		end := at + copy(room[at:], b)
		clear(b)
		into := v.now
		if n := len(name) - len(previous); n > 0 && name[n:] == previous {
			name, into = name[:n], v.before
		}
		kept := room[at:end:end]
		into[name] = Value{&kept}
		at = end
	}
	return unix.Mprotect(room, unix.PROT_READ)
}
