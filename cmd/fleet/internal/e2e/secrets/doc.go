// Package secrets tries the vault on a real host: values are set, listed, rotated, removed, imported, edited and taken
// away with the project, and after each step no value is found where it must not be. Its tests have the build tag
// machine.
package secrets
