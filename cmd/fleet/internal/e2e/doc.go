// Package e2e is what the end-to-end tests share: a machine, builds from specs, hand-written generations for what no
// spec can make, and questions about what systemd shows. Its functions exist only with the build tag machine.
package e2e
