// Package canary is the internet of a throwaway machine: one web server in a network namespace of its own, and a name
// server that leads every name to it. A listed name that is reached and another that is not prove a gate from end to
// end.
//
// It changes the machine's name server and must never run on a host.
package canary

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

// Seen is the file with the host of each request that came, a line each.
const Seen = "/run/fleet-canary"

const (
	netns   = "fleetcanary"
	server  = "93.184.215.14" // public, else gates refuse it; in a machine without a network it is nobody's
	beside  = "93.184.215.1"
	resolve = "127.0.0.1:53"
)

// Serve makes the namespace and answers until ctx ends; ready is called once it does.
func Serve(ctx context.Context, ready func()) error {
	if err := setup(ctx); err != nil {
		return err
	}
	web, err := listenIn(netns, server+":80")
	if err != nil {
		return fmt.Errorf("listen in namespace %s: %w", netns, err)
	}
	names, err := net.ListenPacket("udp4", resolve)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() {
		web.Close()
		names.Close()
	})
	go answer(names)
	ready()
	s := &http.Server{Handler: http.HandlerFunc(note)} //nolint:gosec // a trial's own
	if err := s.Serve(web); ctx.Err() == nil {
		return err
	}
	return nil
}

// setup makes the namespace, and its name server that of the machine.
func setup(ctx context.Context) error {
	for _, line := range []string{
		"netns add " + netns,
		"link add canary type veth peer name eth0 netns " + netns,
		"addr add " + beside + "/24 dev canary",
		"link set canary up",
		"-n " + netns + " addr add " + server + "/24 dev eth0",
		"-n " + netns + " link set eth0 up",
	} {
		out, err := exec.CommandContext(ctx, "ip", strings.Fields(line)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, strings.TrimSpace(string(out)))
		}
	}
	const conf = "/etc/resolv.conf"
	if err := os.Remove(conf); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(conf, []byte("nameserver 127.0.0.1\n"), 0o644) //nolint:gosec // everybody reads it
}

// listenIn listens in a named network namespace. The thread that entered it ends.
func listenIn(name, address string) (l net.Listener, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: no other goroutine shall get this thread
		var f *os.File
		if f, err = os.Open(filepath.Join("/run/netns", name)); err != nil {
			return
		}
		defer f.Close()
		if err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
			return
		}
		l, err = net.Listen("tcp4", address)
	}()
	<-done
	return l, err
}

// note answers a request, and writes down for which host it was.
func note(w http.ResponseWriter, r *http.Request) {
	f, err := os.OpenFile(Seen, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%q\n", r.Host)
	fmt.Fprintln(w, "canary")
}

// answer leads every name to the server.
func answer(c net.PacketConn) {
	b := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		var q dnsmessage.Message
		if q.Unpack(b[:n]) != nil || len(q.Questions) != 1 {
			continue
		}
		r := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: q.ID, Response: true, RecursionAvailable: true, RecursionDesired: q.RecursionDesired},
			Questions: q.Questions,
		}
		if q.Questions[0].Type == dnsmessage.TypeA {
			r.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte(net.ParseIP(server).To4())},
			}}
		}
		if out, err := r.Pack(); err == nil {
			_, _ = c.WriteTo(out, from)
		}
	}
}

// Count returns how many requests came for a host.
func Count(path, host string) (int, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if lines.Text() == fmt.Sprintf("%q", host) {
			n++
		}
	}
	return n, nil
}
