//go:build bench

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/go-jsonnet"

	"fleet/cmd/internal/ratio"
	"fleet/lib"
)

// specText is a fleet of n agents, each with a name and a prompt of its own.
func specText(n int) string {
	return fmt.Sprintf(`local fleet = import 'fleet.libsonnet';
fleet.new('bench') {
  activation: { health: '1s', deadman: '60s', job: '30s' },
  defaults: { harness: 'demo', role: 'Software Engineer', iteration: '1h' },
  agents: { ['w%%05d' %% n]: fleet.agent {
    name: 'Worker %%d' %% n,
    prompt: 'You are worker %%d. Take the next task, finish it with tests, and end.' %% n,
  } for n in std.range(1, %d) },
}
`, n)
}

// evaluate does what a build cannot do without: go-jsonnet's evaluation of the spec.
func evaluate(file string) error {
	vm := jsonnet.MakeVM()
	contents := map[string]jsonnet.Contents{}
	for _, name := range []string{"fleet.libsonnet", "harness.libsonnet"} {
		text, err := lib.Files.ReadFile(name)
		if err != nil {
			return err
		}
		contents[name] = jsonnet.MakeContents(string(text))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	vm.Importer(&jsonnet.MemoryImporter{Data: contents})
	_, err = vm.EvaluateAnonymousSnippet(file, string(text))
	return err
}

// used is what a process took.
type used struct {
	seconds float64
	memory  float64 // greatest resident size in bytes
}

func timed(argv ...string) (used, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		return used{}, fmt.Errorf("%v: %w\n%s", argv, err, out)
	}
	u := used{seconds: time.Since(began).Seconds()}
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.memory = float64(ru.Maxrss) * 1024
	}
	return u, nil
}

// project writes a spec of n agents and builds it once, so that the lock stands.
func (l *lab) project(n int) (string, error) {
	dir := filepath.Join(l.dir, fmt.Sprint(n))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "fleet.jsonnet"), []byte(specText(n)), 0o600); err != nil {
		return "", err
	}
	_, err := timed(l.fleet, "-C", dir, "build")
	return dir, err
}

// freshBuild times a build that has to write everything.
func (l *lab) freshBuild(dir string) (used, error) {
	if err := os.RemoveAll(filepath.Join(dir, "generations")); err != nil {
		return used{}, err
	}
	return timed(l.fleet, "-C", dir, "build")
}

func build(_ context.Context, l *lab) ([]row, error) {
	dir, err := l.project(1000)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var ours, floor, memory, evalMemory []float64
	for range ratio.Pairs {
		b, err := l.freshBuild(dir)
		if err != nil {
			return nil, err
		}
		e, err := timed(self, "evaluate", filepath.Join(dir, "fleet.jsonnet"))
		if err != nil {
			return nil, err
		}
		copied := filepath.Join(dir, "copy")
		c, err := timed("cp", "-a", filepath.Join(dir, "generations/1"), copied)
		if err != nil {
			return nil, err
		}
		if err := os.RemoveAll(copied); err != nil {
			return nil, err
		}
		ours, floor = append(ours, b.seconds), append(floor, e.seconds+c.seconds)
		memory, evalMemory = append(memory, b.memory), append(evalMemory, e.memory)
	}
	return []row{
		{"`fleet build` of 1,000 agents, to go-jsonnet's evaluation and `cp -a` of the tree", ratio.Of(ours, floor), 2},
		{"its greatest memory, to the evaluation's", ratio.Of(memory, evalMemory), 2},
	}, nil
}

// growth compares ten times the agents with ten times the time.
func growth(_ context.Context, l *lab) ([]row, error) {
	var rows []row
	for _, n := range []int{1, 10, 100, 1000} {
		runs := ratio.Pairs
		if n == 1000 {
			runs = 3 // the larger one takes half a minute
		}
		var small, large []float64
		smallDir, err := l.project(n)
		if err != nil {
			return nil, err
		}
		largeDir, err := l.project(10 * n)
		if err != nil {
			return nil, err
		}
		for range runs {
			s, err := l.freshBuild(smallDir)
			if err != nil {
				return nil, err
			}
			b, err := l.freshBuild(largeDir)
			if err != nil {
				return nil, err
			}
			small, large = append(small, 10*s.seconds), append(large, b.seconds)
		}
		what := fmt.Sprintf("`fleet build` of %d agents, to ten times that of %d", 10*n, n)
		rows = append(rows, row{what, ratio.Of(large, small), 1})
		if err := os.RemoveAll(largeDir); err != nil {
			return nil, err
		}
	}
	return rows, nil
}
