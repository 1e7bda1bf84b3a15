package drift

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/schemas/manifest"
)

// Each testdata/users/NAME holds passwd, shadow and group of a host with the users of a fleet, and the drift that is
// found: one line each.
func TestUsers(t *testing.T) {
	m := &manifest.Manifest{Users: []manifest.User{
		{Name: "demo-lead", UID: 70000, Home: "/home/demo-lead"},
		{Name: "demo-worker", UID: 70001, Home: "/home/demo-worker"},
	}}
	cases, err := filepath.Glob("testdata/users/*")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, dir := range cases {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			want, err := os.ReadFile(dir + "/drift")
			if err != nil {
				t.Fatal(err)
			}
			l := &list{}
			l.users(dir, m)
			var got strings.Builder
			for _, d := range l.sorted() {
				got.WriteString(d.Kind + " " + d.Name + ": " + d.Message + "; " + d.Hint + "\n")
			}
			if d := cmp.Diff(string(want), got.String()); d != "" {
				t.Error(d)
			}
		})
	}
}
