package main

import (
	"io"
	"testing"
)

// A boot is named by the flag, or as systemd's specifier %b has it in the environment.
func TestBoot(t *testing.T) {
	const want = "01234567-89ab-cdef-0123-456789abcdef"
	t.Setenv("FLEET_BOOT", "0123456789abcdef0123456789abcdef")
	for _, args := range [][]string{{}, {"--boot", want}} {
		o, err := parse(append([]string{"--policy=p", "--state=s"}, args...), io.Discard)
		if err != nil || o.boot != want {
			t.Errorf("%v: %q, %v", args, o.boot, err)
		}
	}
	t.Setenv("FLEET_BOOT", "")
	if o, err := parse([]string{"--policy=p", "--state=s"}, io.Discard); err != nil || len(o.boot) != len(want) {
		t.Errorf("by the kernel: %q, %v", o.boot, err)
	}
}
