//go:build machine

package machinetest

import (
	"fmt"
	"testing"
)

// recorder takes the failure of a helper instead of the test.
type recorder struct {
	testing.TB
	text string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.text = fmt.Sprintf(format, args...)
	panic(r)
}
