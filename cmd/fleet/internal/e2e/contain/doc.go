// Package contain holds the end-to-end tests of containment: agents of both kinds of isolation whose harness is hostile
// try, on a real machine and in their own units, what must not be possible. Each test is named after the case that it
// holds against. What an agent tries is tried by somebody free as well, so that a refusal which comes from the machine
// and not from a wall is noticed.
package contain
