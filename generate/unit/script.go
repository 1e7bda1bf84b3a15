package unit

import (
	_ "embed"

	"fleet/generate/artifact"
)

//go:embed script/assert.sh
var assertText string

//go:embed script/namespaces.sh
var namespacesText string

//go:embed script/net.sh
var netText string

//go:embed script/policy.sh
var policyText string

//go:embed script/record.sh
var recordText string

//go:embed script/sign.sh
var signText string

// The scripts that units run and that are the same for every fleet.
var (
	assertScript     = artifact.Script("libexec/assert", assertText)
	namespacesScript = artifact.Script("libexec/namespaces", namespacesText)
	netScript        = artifact.Script("libexec/net", netText)
	policyScript     = artifact.Script("libexec/policy", policyText)
	recordScript     = artifact.Script("libexec/record", recordText)
	signScript       = artifact.Script("libexec/sign", signText)
)

// Scripts returns the scripts of this package. Render returns them among its files.
func Scripts() []artifact.File {
	return []artifact.File{assertScript, namespacesScript, netScript, policyScript, recordScript, signScript}
}
