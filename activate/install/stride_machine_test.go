//go:build machine

package install

const stride = 1
