package nft

import _ "embed"

//go:embed firewall.sh
var firewallScript string
