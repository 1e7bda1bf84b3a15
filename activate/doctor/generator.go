package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"

	"fleet/activate/install"
	"fleet/activate/profile"
	"fleet/activate/system"
	"fleet/activate/systemd"
)

// generator proves on a host that runs a fleet that systemd still runs fleet's generator. Units that are loaded stay
// when it stops working, so that nothing else shows it before the next boot.
func generator(ctx context.Context, e Env) []Finding {
	if e.Generator == nil {
		return nil
	}
	if err := e.Generator(ctx); err != nil {
		return []Finding{{
			Check: "generator.installed", Message: err.Error(),
			Hint: "sudo fleet switch puts it back; until then do not reboot",
		}}
	}
	return nil
}

// provenGenerator looks at the installed generator and has systemd run it.
func provenGenerator(ctx context.Context) error {
	l := profile.Layout{}
	projects, err := l.Projects()
	if err != nil || len(projects) == 0 {
		return err
	}
	if install.Generator(l) == "" {
		return errors.New("fleet's systemd generator is missing, changed, not executable, or of another version of fleet")
	}
	sd, err := systemd.Connect(ctx)
	if err != nil {
		return err
	}
	defer sd.Close()
	return install.Probe(ctx, system.Default(), sd, l)
}

// forRoot returns the check where it can be made.
func forRoot(check func(context.Context) error) func(context.Context) error {
	if os.Geteuid() != 0 || !systemd.Booted() {
		return nil
	}
	return func(ctx context.Context) error {
		if err := check(ctx); err != nil {
			return fmt.Errorf("systemd must run fleet's generator at each boot and reload: %w", err)
		}
		return nil
	}
}
