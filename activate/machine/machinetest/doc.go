// Package machinetest boots throwaway machines for tests, with the fleet programs of this tree installed. Its functions
// exist only with the build tag machine, which the tests that use them must have too: they need root, systemd-nspawn
// and some seconds for each machine.
//
// A test that needs nothing of another one's machine should call t.Parallel before New; at most FLEET_TEST_MACHINES
// machines, 3 where it is not set, run at a time in each test process.
package machinetest
