package relay

import (
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"
)

// plain is the relay that everybody writes first: the measure of this one.
func plain(client, server *net.TCPConn) {
	var wg sync.WaitGroup
	one := func(dst, src *net.TCPConn) {
		io.Copy(dst, src)
		dst.CloseWrite()
	}
	wg.Go(func() { one(client, server) })
	one(server, client)
	wg.Wait()
	client.Close()
	server.Close()
}

func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkBulk moves 64 MiB down one tunnel. The CPU time is that of both ends too, the same for both relays.
func BenchmarkBulk(b *testing.B) {
	const size = 64 << 20
	data := make([]byte, 256<<10)
	for name, run := range map[string]func(c, s *net.TCPConn){
		"plain": plain,
		"relay": func(c, s *net.TCPConn) { New(c, s, time.Minute).Run(nil) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			began := cpu()
			for b.Loop() {
				client, c := pair(b)
				s, server := pair(b)
				go run(c, s)
				go func() {
					for range size / len(data) {
						server.Write(data)
					}
					server.Close()
				}()
				io.Copy(onlyWrite{}, client)
				client.Close()
			}
			b.ReportMetric(float64(cpu()-began)/float64(b.N)/1e6, "cpu-ms/op")
		})
	}
}

type onlyWrite struct{}

func (onlyWrite) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkRound sends one byte there and back.
func BenchmarkRound(b *testing.B) {
	for name, run := range map[string]func(c, s *net.TCPConn){
		"plain": plain,
		"relay": func(c, s *net.TCPConn) { New(c, s, time.Minute).Run(nil) },
	} {
		b.Run(name, func(b *testing.B) {
			client, c := pair(b)
			s, server := pair(b)
			go run(c, s)
			one := make([]byte, 1)
			for b.Loop() {
				client.Write(one)
				server.Read(one)
				server.Write(one)
				client.Read(one)
			}
			b.ReportAllocs()
		})
	}
}
