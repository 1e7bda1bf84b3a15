// Package egressctl tries on a real host what an operator does with the gates: records, cut, bypass, suggestions,
// metrics, status, and what the watchdog tells. Its tests have the build tag machine.
package egressctl
