package activate

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"fleet/activate/gates"
	"fleet/activate/system"
)

// endRecords ends the journal of the gates' records and takes its configuration away, and with purge the records too.
func endRecords(ctx context.Context, h Host, project string, purge bool) error {
	name := gates.Namespace(project)
	err := system.Run(ctx, h.Effects, "stop the journal and the slice of gates", "systemctl", "stop", "systemd-journald@"+name+".socket",
		"systemd-journald-varlink@"+name+".socket", gates.Journal(project), name+"_gates.slice")
	if err != nil {
		return err
	}
	gone := []string{h.Layout.Root + "/run/systemd/journald@" + name + ".conf.d", h.Layout.Root + "/run/systemd/journal." + name}
	for _, dir := range []string{"/var/log/journal", "/run/log/journal"} {
		found, err := filepath.Glob(h.Layout.Root + dir + "/*." + name) // MACHINE-ID.NAMESPACE
		if err != nil {
			return err
		}
		if purge {
			gone = append(gone, found...)
		}
	}
	for _, path := range gone {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := h.Effects.Do("remove "+path, func() error { return os.RemoveAll(path) }); err != nil {
			return err
		}
	}
	return nil
}
