//go:build !machine

package install

// stride is the step between the points at which the revert script is killed for the first time.
const stride = 9
