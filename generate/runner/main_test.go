//go:build linux

package runner

import (
	"flag"
	"os"
	"testing"
)

// The tests of processes sleep most of the time, so that more of them than there are processors may run at once.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.fuzz").Value.String() == "" { // there it is the number of busy workers
		if err := flag.Set("test.parallel", "16"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
