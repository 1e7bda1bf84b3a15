package doctor

import (
	"context"
	"fmt"
	"slices"
)

// natProbe uses what leads an agent's connections to its gate, in its own network namespace or by its user.
const natProbe = `table inet fleet_doctor {
	chain n {
		type nat hook output priority -100;
		meta l4proto tcp redirect to :1
		meta skuid 1 meta l4proto tcp dnat ip to 127.0.0.1:2
	}
}`

// nat is what gates need of the kernel beside what firewalls do.
func nat(ctx context.Context, e Env) []Finding {
	if _, ok := e.Look("nft"); !ok || e.EUID != 0 {
		return nil // said by programs and privileges
	}
	_, err := e.Output(ctx, "nft", "-c", natProbe)
	if err == nil {
		return nil
	}
	return []Finding{{
		Check: "nftables.nat", Message: fmt.Sprintf("the kernel must have nat for nftables, by which agents reach their gates: %v", err),
		Hint: "load nft_chain_nat and nft_redir with modprobe, or boot a kernel that has CONFIG_NFT_NAT and CONFIG_NFT_REDIR",
	}}
}

// rootFiles are where gates find the authorities that a distribution trusts: Debian and Arch, Fedora.
var rootFiles = []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"}

// roots are what gates verify hosts by, and agents too.
func roots(_ context.Context, e Env) []Finding {
	if slices.ContainsFunc(rootFiles, func(path string) bool {
		text, err := e.Read(path)
		return err == nil && text != ""
	}) {
		return nil
	}
	return []Finding{{
		Check:    "roots",
		Message:  "the host must have certificate authorities that it trusts, by which gates and agents verify hosts",
		Packages: map[Family]string{Debian: "ca-certificates", Fedora: "ca-certificates", Arch: "ca-certificates"},
	}}
}
