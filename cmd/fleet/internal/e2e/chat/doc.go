// Package chat holds the tests of a team's chat on a real machine: agents in their containment speak over the sockets that
// systemd made for them, operators by the tool, and people at stand-ins of the services, which the chat's daemon reaches by
// its gate.
package chat
