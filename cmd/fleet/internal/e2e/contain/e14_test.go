//go:build machine

package contain

import "testing"

// No rule, namespace, mount, module, setting, limit, keyring or other process can be changed.
func TestEGRE14Rights(t *testing.T) {
	t.Parallel()
	f := share(t)
	f.refused(f.act("E14", "n1", "u1"), nil)
	f.free("E14")
}

// No ring does system calls past the filter.
func TestEGRE28Ring(t *testing.T) {
	t.Parallel()
	f := share(t)
	f.refused(f.act("E28", "n1", "u1"), nil)
	f.free("E28")
}
