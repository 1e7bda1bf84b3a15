// Package lib is the Jsonnet library that is embedded in the binary: a spec imports it as 'fleet.libsonnet'. With it are
// the texts that harnesses read, such as a plugin.
package lib

import "embed"

// Files holds the library's files by name.
//
//go:embed *.libsonnet *.js
var Files embed.FS
