// Package firewall loads a project's rules through the script that holds them, and compares what the kernel has with
// what the generation says. Nothing here changes rules but the script, in one transaction.
//
// Rules are compared as the kernel gives them back over netlink: the generation's text is loaded into an empty network
// namespace and read back there. google/nftables serves for tables and counters; it leaves out expressions that it does
// not know (socket among them) and the objects of map elements, so chains, rules and sets are read with the attributes
// that the kernel sends.
package firewall

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"fleet/activate/system"
)

// The tables of a project, in family inet. The held one has the same rules and belongs to the holder's process.
func plainTable(project string) string { return "fleet_" + project }
func heldTable(project string) string  { return plainTable(project) + "_held" }

// Load replaces the rules in force by those of a file in one transaction, through the holder where one runs. script is
// the store path of libexec/firewall. After an error the old rules are in force.
func Load(ctx context.Context, fx system.Effects, script, file string) error {
	return run(ctx, fx, "load the rules "+file, script, "reload", file)
}

// Withdraw takes away the rules that Load has put in force without a holder. file is any ruleset of the project.
func Withdraw(ctx context.Context, fx system.Effects, script, file string) error {
	return run(ctx, fx, "withdraw the rules "+file, script, "withdraw", file)
}

var priorityRe = regexp.MustCompile(`<[0-7]>`)

func run(ctx context.Context, fx system.Effects, what string, argv ...string) error {
	// By the shell, since the store may be on a file system that is mounted noexec.
	err := system.Run(ctx, fx, what, append([]string{"/bin/sh"}, argv...)...)
	if err != nil {
		return errors.New(priorityRe.ReplaceAllString(err.Error(), ""))
	}
	return nil
}

// canary is a table that is there before a ruleset is loaded for a check, and must be there after it.
const canary = "fleet_canary"

// Check proves that this kernel takes a ruleset, in an empty network namespace, and that it makes the project's table and
// touches no other.
func Check(ctx context.Context, project, file string) error {
	_, err := reference(ctx, project, file)
	return err
}

// reference loads a ruleset into an empty network namespace and returns what the kernel makes of it.
func reference(ctx context.Context, project, file string) (table, error) {
	var out table
	err := inNamespace(func() error {
		const guard = "table inet " + canary + " { chain c { accept; }; }"
		if _, err := system.Output(ctx, "nft", guard); err != nil {
			return err
		}
		before, err := read(canary)
		if err != nil {
			return err
		}
		if _, err := system.Output(ctx, "nft", "-f", file); err != nil {
			return err
		}
		if err := alone(project); err != nil {
			return err
		}
		after, err := read(canary)
		if err != nil {
			return err
		}
		if d := compare(before, after); len(d) > 0 {
			return fmt.Errorf("must not touch tables of others: %s", strings.Join(d, "; "))
		}
		out, err = read(plainTable(project))
		return err
	})
	if err != nil {
		return table{}, fmt.Errorf("%s: %w", file, err)
	}
	return out, nil
}

// alone wants nothing in the namespace but the canary and the project's table.
func alone(project string) error {
	have, err := tables()
	if err != nil {
		return err
	}
	for _, name := range []string{canary, plainTable(project)} {
		if _, ok := have["inet "+name]; !ok {
			return fmt.Errorf("must leave table inet %s", name)
		}
		delete(have, "inet "+name)
	}
	for name := range have {
		return fmt.Errorf("must not make table %s", name)
	}
	return nil
}
