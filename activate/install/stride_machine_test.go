//go:build machine

package install

// stride is such that the first, second or third kill meets every point.
const stride = 3
