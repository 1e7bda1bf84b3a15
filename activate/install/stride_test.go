//go:build !machine

package install

// stride is the step between the points at which the revert script is killed: with the second kill all but every third
// point is met. The machine tests take each.
const stride = 3
