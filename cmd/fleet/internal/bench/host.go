//go:build bench

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fleet/activate/detach"
	"fleet/activate/machine"
	"fleet/cmd/internal/ratio"
)

// host is a machine with the program under test.
type host struct {
	*machine.Machine
	ctx context.Context
	lab *lab
}

func (l *lab) boot(ctx context.Context) (*host, error) {
	m, err := machine.Boot(ctx, machine.Options{
		Name: "bench", Files: []machine.File{{Outside: l.fleet, Inside: "/usr/local/bin/fleet"}},
	})
	return &host{Machine: m, ctx: ctx, lab: l}, err
}

// run runs a command in the machine and returns its output and its seconds.
func (h *host) run(argv ...string) (string, float64, error) {
	began := time.Now()
	out, errOut, err := h.Machine.Run(h.ctx, argv...)
	if err != nil {
		return out, 0, fmt.Errorf("%s: %w\n%s%s", strings.Join(argv, " "), err, errOut, out)
	}
	return out, time.Since(began).Seconds(), nil
}

// install builds n agents with text in their prompts and copies the build into the machine as NAME.
func (h *host) install(n int, name, text string) error {
	dir := filepath.Join(h.lab.dir, "host-"+name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	spec := strings.ReplaceAll(specText(n), "Take the next task", text)
	if err := os.WriteFile(filepath.Join(dir, "fleet.jsonnet"), []byte(spec), 0o600); err != nil {
		return err
	}
	if _, err := timed(h.lab.fleet, "-C", dir, "build"); err != nil {
		return err
	}
	_, err := timed("cp", "-a", filepath.Join(dir, "generations/1"), h.Path("/root/"+name))
	return err
}

func switchToLive(ctx context.Context, l *lab) ([]row, error) {
	h, err := l.boot(ctx)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	if err := h.install(50, "gen", "Take the next task"); err != nil {
		return nil, err
	}
	if _, _, err := h.run("fleet", "switch", "--no-confirm", "/root/gen/"); err != nil {
		return nil, err
	}
	var again, verify []float64
	for range ratio.Pairs {
		_, s, err := h.run("fleet", "switch", "--no-confirm", "/root/gen/")
		if err != nil {
			return nil, err
		}
		_, v, err := h.run("fleet", "verify", "/root/gen/")
		if err != nil {
			return nil, err
		}
		again, verify = append(again, s), append(verify, v)
	}
	return []row{{"`fleet switch` to what is live, 50 agents, to `fleet verify` of it", ratio.Of(again, verify), 3}}, nil
}

// rest is what agents that were restarted get to begin and end their sessions: both ways of a comparison find the host
// at rest.
const rest = 4 * time.Second

// rollback takes the health window out: it is a wait, not work.
func rollback(ctx context.Context, l *lab) ([]row, error) {
	const agents = 10
	h, err := l.boot(ctx)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	for name, text := range map[string]string{"one": "Take the next task", "two": "Take another task"} {
		if err := h.install(agents, name, text); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"one", "two"} {
		if _, _, err := h.run("fleet", "switch", "--no-confirm", "/root/"+name+"/"); err != nil {
			return nil, err
		}
	}
	units := []string{"systemctl", "restart"}
	for n := range agents {
		units = append(units, fmt.Sprintf("fleet-bench-w%05d.service", n+1))
	}
	var back, bare []float64
	phases := map[string]float64{}
	for range ratio.Pairs {
		time.Sleep(rest)
		out, s, err := h.run("fleet", "rollback", "--now", "--json")
		if err != nil {
			return nil, err
		}
		var res detach.Result
		if err := json.Unmarshal([]byte(out), &res); err != nil {
			return nil, err
		}
		for _, t := range res.Took {
			phases[t.Phase+" "+t.Text] += t.Seconds / ratio.Pairs
			if t.Phase == "P11" {
				s -= t.Seconds
			}
		}
		time.Sleep(rest)
		_, r, err := h.run(units...)
		if err != nil {
			return nil, err
		}
		_, d, err := h.run("systemctl", "daemon-reload")
		if err != nil {
			return nil, err
		}
		back, bare = append(back, s), append(bare, r+d)
	}
	l.note("\nWhere the time of a rollback goes (mean, seconds):\n")
	for _, name := range sorted(phases) {
		l.note("    %-36s %6.3f", name, phases[name])
	}
	return []row{{
		"`fleet rollback --now` of 10 agents without the health window, to `systemctl restart` of them and a daemon-reload",
		ratio.Of(back, bare), 1.5,
	}}, nil
}

// daemonReload compares units that the generator copies with the same ones as plain files.
func daemonReload(ctx context.Context, l *lab) ([]row, error) {
	ours, err := l.boot(ctx)
	if err != nil {
		return nil, err
	}
	defer ours.Close()
	plain, err := l.boot(ctx)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	for _, h := range []*host{ours, plain} {
		if err := h.install(50, "gen", "Take the next task"); err != nil {
			return nil, err
		}
		if _, _, err := h.run("fleet", "switch", "--no-confirm", "/root/gen/"); err != nil {
			return nil, err
		}
	}
	script := "cp -a /run/systemd/generator/fleet* /run/systemd/generator/multi-user.target.wants /etc/systemd/system/ && " +
		"rm /usr/local/lib/systemd/system-generators/fleet && systemctl daemon-reload && " +
		"test /etc/systemd/system/fleet-bench.target = \"$(systemctl show -P FragmentPath fleet-bench.target)\""
	if _, _, err := plain.run("sh", "-euc", script); err != nil {
		return nil, err
	}
	var generated, files []float64
	for range ratio.Pairs {
		_, g, err := ours.run("systemctl", "daemon-reload")
		if err != nil {
			return nil, err
		}
		_, f, err := plain.run("systemctl", "daemon-reload")
		if err != nil {
			return nil, err
		}
		generated, files = append(generated, g), append(files, f)
	}
	return []row{{"daemon-reload with 50 agents, to that of the same units as plain files", ratio.Of(generated, files), 1.3}}, nil
}

func sorted(m map[string]float64) []string {
	var out []string
	for _, p := range []string{"P0", "P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P12"} {
		for name := range m {
			if strings.HasPrefix(name, p+" ") {
				out = append(out, name)
			}
		}
	}
	return out
}
