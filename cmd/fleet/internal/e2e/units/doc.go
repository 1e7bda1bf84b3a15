// Package units tests what a switch does to each unit: for every kind of change what the plan says, and what systemd
// shows after the switch. Its tests need root and a machine, see the build tag machine.
package units
