// Package system is the one door through which the activator changes a host. Each change has a stable text and passes
// Effects.Do, so that it can be counted, shown, forbidden or interrupted without a flag in the code that makes it.
package system

// Effects runs changes of the host.
type Effects interface {
	// Do runs f, which changes the host in the way that what says. It returns f's error, or its own where the change
	// was not made.
	Do(what string, f func() error) error
}

// Real makes every change.
type Real struct{}

// Do runs f.
func (Real) Do(_ string, f func() error) error { return f() }
