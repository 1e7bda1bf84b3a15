package plan

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"fleet/schemas/report"
)

var update = flag.Bool("update", false, "write the plans of the fixtures anew")

func TestFixtures(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			f := loadFixture(t, path)
			got := planText(Make(f.input(t)))
			if *update {
				f.write(t, got)
				return
			}
			if diff := cmp.Diff(f.plan, got); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", f.title, diff)
			}
		})
	}
}

func planText(p *Plan, err error) string {
	if refused := new(report.Err); errors.As(err, &refused) {
		return "refused\n" + err.Error() + "\n"
	}
	return p.String()
}

func (f *fixture) write(t *testing.T, plan string) {
	t.Helper()
	for i, file := range f.archive.Files {
		if file.Name == "plan" {
			f.archive.Files[i].Data = []byte(plan)
		}
	}
	if err := os.WriteFile(f.path, txtar.Format(f.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
