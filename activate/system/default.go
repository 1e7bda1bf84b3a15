//go:build !fault

package system

// Default returns the effects of a release build.
func Default() Effects { return Real{} }
