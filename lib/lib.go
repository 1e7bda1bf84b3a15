// Package lib is the Jsonnet library that is embedded in the binary: a spec imports it as 'fleet.libsonnet'.
package lib

import "embed"

// Files holds the library's files by name.
//
//go:embed *.libsonnet
var Files embed.FS
