//go:build !machine

package install

// stride is the step between the points at which the revert script is killed. The machine tests take each.
const stride = 7
