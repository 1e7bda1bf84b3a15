// Package origins is the other side of the gate in tests: a network namespace of the machine's behind its only way out,
// in which every address answers, with servers of every kind, a name server whose answers a test sets, and a count of
// every packet that arrives. Its functions exist only with the build tag machine.
//
// The servers are the test's own program, which therefore calls Main at the begin of its TestMain.
package origins
