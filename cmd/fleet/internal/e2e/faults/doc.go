// Package faults interrupts switches, damages hosts and sets hostile agents on them, and proves that a host is then
// what it was or what it was to be. Its tests need the build tag machine. Their names have the number of a row of one
// table of faults, such as B4.
//
// FLEET_TEST_ALL=1 runs every interruption and every long loop in full; without it a sample of each is taken.
package faults
