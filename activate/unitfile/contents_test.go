package unitfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestContents(t *testing.T) {
	store := func(digit, name string) string {
		return "/var/lib/fleet/store/" + strings.Repeat(digit, 32) + "-" + name
	}
	other := Change{Key: "Nice", Old: []string{"1"}, New: []string{"2"}}
	added := Change{Key: "BindReadOnlyPaths", Old: []string{store("1", "run")}, New: []string{store("1", "run"), store("2", "hook")}}
	names, rest := Contents([]Change{
		{
			Key: "BindReadOnlyPaths",
			Old: []string{store("1", "run"), store("2", "assert"), store("3", "settings.json") + ":/etc/x"},
			New: []string{store("2", "assert"), store("4", "settings.json") + ":/etc/x", store("5", "run")},
		},
		{Key: "ExecStart", Old: []string{store("1", "run") + " session"}, New: []string{store("5", "run") + " session"}},
		other, added,
	})
	if d := cmp.Diff([]string{"run", "settings.json"}, names); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Change{other, added}, rest); d != "" {
		t.Error(d)
	}
}
