package system_test

import (
	"bytes"
	"strings"
	"testing"

	"fleet/activate/system"
)

func TestFilter(t *testing.T) {
	in := bytes.Repeat([]byte("0123456789"), 7000)
	out, err := system.Filter(t.Context(), in, len(in), "cat")
	if err != nil || !bytes.Equal(out, in) {
		t.Errorf("%d of %d bytes, %v", len(out), len(in), err)
	}
	if out, err := system.Filter(t.Context(), in, len(in)-1, "cat"); err == nil || len(out) > 0 {
		t.Errorf("over the limit: %d bytes, %v", len(out), err)
	}
	_, err = system.Filter(t.Context(), []byte("canary"), 100, "sh", "-c", "cat; echo why >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "exit status 3: why") || strings.Contains(err.Error(), "canary") {
		t.Errorf("a program that fails: %v", err)
	}
	if out, err := system.Filter(t.Context(), in, 10, "true"); err != nil || len(out) != 0 {
		t.Errorf("a program that reads nothing: %q, %v", out, err)
	}
}
