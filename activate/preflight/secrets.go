package preflight

import (
	"context"

	"fleet/activate/unitfile"
	"fleet/activate/vault"
	"fleet/schemas/manifest"
	"fleet/schemas/report"
)

// Secrets returns every secret that the units of a generation load from the vault of their project and that has no value
// there, or none that this host can decrypt: such a unit would not start.
func Secrets(ctx context.Context, v *vault.Vault, units *unitfile.Set, m *manifest.Manifest) report.Report {
	return v.Verify(ctx, vault.Secrets(vault.Uses(units, m)))
}
