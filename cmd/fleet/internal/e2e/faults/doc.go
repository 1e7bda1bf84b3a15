// Package faults interrupts switches, damages hosts and sets hostile agents on them, and proves that a host is then what
// it was or what it was to be. Its tests need the build tag machine, and are named after the rows of the table of faults.
//
// FLEET_TEST_ALL=1 runs every interruption and every long loop in full; without it a sample of each is taken.
package faults
