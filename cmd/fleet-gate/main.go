// Command fleet-gate is the one door of an agent's traffic: name service, HTTP proxy and redirected connections of one
// agent, decided by one policy and recorded in the journal. systemd starts it with the sockets.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }
