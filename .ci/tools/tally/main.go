// Tally reads the events of `go test -json` on its standard input, shows what a person needs of them, and appends one
// line for each test to a file: "pass", "fail" or "skip", the package, the test.
//
//	go test -json ./... | tally -skips FILE -results FILE
//
// A test that was skipped counts as failed, but where the file of skips names it; so does a package that could not be
// built or ended before its tests did. The exit status is 1 where a test failed, and 2 where the tally did.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	skips := flag.String("skips", "", "file with a line for each test that may be skipped: package, test, reason")
	results := flag.String("results", "", "file that the results are appended to")
	flag.Parse()
	ok, err := run(*skips, *results)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(skips, results string) (ok bool, err error) {
	allowed, err := readSkips(skips)
	if err != nil {
		return false, err
	}
	t := newTally(allowed, os.Stdout)
	if err := t.read(os.Stdin); err != nil {
		return false, err
	}
	f, err := os.OpenFile(results, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return false, err
	}
	for _, r := range t.finish() {
		fmt.Fprintln(f, r)
	}
	return t.failed == 0, f.Close()
}
