// Package runner makes the scripts of a fleet: what runs an agent and its jobs, and the watchdog. Each is a header of
// quoted assignments and a body that is the same for every agent. All of them are POSIX sh and need nothing of fleet on
// the host.
//
// An agent's script is the main process of its unit and runs as the agent, inside its sandbox: nothing that it does is
// part of the containment. It calls the small scripts of libexec/, each with one task. The watchdog runs as root and
// reads nothing that an agent can write but names and times.
package runner
