package agents

import (
	"fmt"
	"path/filepath"

	"fleet/activate/profile"
	"fleet/activate/safefile"
	"fleet/schemas/status"
)

// Watched returns what the watchdog wrote last. It needs no root where the caller is in the operators' group.
func Watched(l profile.Layout) (*status.Status, error) {
	d, err := safefile.Open(l.Run())
	if err != nil {
		return nil, err
	}
	defer d.Close()
	b, err := d.Read(status.FileName, status.MaxFile)
	if err != nil {
		return nil, err
	}
	s, err := status.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(l.Run(), status.FileName), err)
	}
	s.Source = status.SourceWatchdog
	return s, nil
}
