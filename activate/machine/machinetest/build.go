//go:build machine

package machinetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"fleet/activate/machine"
)

// installDir is where the README installs the programs.
const installDir = "/usr/local/bin"

var builds struct {
	sync.Mutex
	done map[string][]machine.File // by tags
}

// programs builds the programs below cmd once for each set of tags. What it returns names open files of this process
// that have no name any more, so that nothing has to be removed at its end.
func programs(tags string) ([]machine.File, error) {
	builds.Lock()
	defer builds.Unlock()
	if files, ok := builds.done[tags]; ok {
		return files, nil
	}
	dir, err := os.MkdirTemp("", "fleet-machinetest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := build(dir, tags); err != nil {
		return nil, err
	}
	files, err := open(dir)
	if err != nil {
		return nil, err
	}
	if builds.done == nil {
		builds.done = map[string][]machine.File{}
	}
	builds.done[tags] = files
	return files, nil
}

// Program returns where one of the programs, built with these tags, can be read while this process lives.
func Program(tags, name string) (string, error) {
	files, err := programs(tags)
	if err != nil {
		return "", err
	}
	for _, f := range files {
		if f.Inside == filepath.Join(installDir, name) {
			return f.Outside, nil
		}
	}
	return "", fmt.Errorf("cmd has no program %s", name)
}

func build(dir, tags string) error {
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("go env GOMOD: %w", err)
	}
	cmd := exec.Command("go", "build", "-tags="+tags, "-o", dir+"/", "./cmd/...")
	cmd.Dir = filepath.Dir(strings.TrimSpace(string(mod)))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/...: %w\n%s", err, out)
	}
	return nil
}

// open opens every file of dir for as long as this process lives.
func open(dir string) ([]machine.File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []machine.File
	for _, e := range entries {
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		held = append(held, f)
		files = append(files, machine.File{
			Outside: fmt.Sprintf("/proc/self/fd/%d", f.Fd()), Inside: filepath.Join(installDir, e.Name()),
		})
	}
	return files, nil
}

// held keeps the garbage collector from closing the files. It is guarded by builds.
var held []*os.File
