//go:build machine

package egress

import (
	"net"
	"sync"
	"sync/atomic"
)

// flood opens connections, sends something on each and holds them until the test has enough. It answers how many it could
// open.
func flood(c *net.UnixConn, o order) {
	var opened atomic.Int64
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []net.Conn
	jobs := make(chan int)
	for range 32 {
		wg.Go(func() {
			for range jobs {
				to, err := net.DialTimeout("tcp", o.Address, o.Time)
				if err != nil {
					continue
				}
				if _, err := to.Write(o.Payload); err == nil {
					opened.Add(1)
				}
				mu.Lock()
				all = append(all, to)
				mu.Unlock()
			}
		})
	}
	for i := range o.Count {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	if answer(c, done{Exit: int(opened.Load())}) == nil {
		_, _ = c.Read(make([]byte, 1))
	}
	for _, to := range all {
		to.Close()
	}
}
