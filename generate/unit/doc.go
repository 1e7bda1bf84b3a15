// Package unit makes the systemd units of a fleet: one typed writer for unit files, and on top of it the units of a
// project and of each of its agents, with the sandbox that contains an agent.
//
// Values stay typed (argument lists, paths, spans) until they are written; quoting is done at that last step and in one
// file, quote.go. What systemd cannot be told safely is refused with the path in the spec that it comes from.
package unit
