//go:build machine

package contain

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The services of the host: whoever connects to one is written down.
const (
	serveLog     = "/run/serve.log"
	serveReady   = "/run/serve.ready"
	abstractName = "@fleet-contain-host"
	hostFileName = "fleet-contain-host" // in folders that everybody can write
)

// hostPaths are sockets at which services of a host listen, open to everybody here.
var hostPaths = []string{
	"/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/crio/crio.sock", "/run/snapd.socket",
	"/run/libvirt/libvirt-sock", "/run/nscd/socket", "/run/systemd/resolve/io.systemd.Resolve", "/run/user/1000/bus",
	"/run/dbus-other/bus", "/run/fleet-other.sock", "/tmp/.X11-unix/X0", "/var/tmp/app.sock", "/srv/app.sock", "/opt/app.sock",
	"/dev/shm/app.sock", "/var/lib/app/app.sock", "/run/fleet/other.sock",
}

// realPaths are the sockets of systemd and D-Bus that the machine has anyway.
var realPaths = []string{
	"/run/dbus/system_bus_socket", "/run/systemd/notify", "/run/systemd/journal/socket", "/run/systemd/journal/stdout",
	"/run/systemd/journal/dev-log", "/run/systemd/private", "/run/systemd/userdb/io.systemd.DynamicUser",
}

// hostPorts are where the host listens for TCP and UDP: on loopback, and on all of its addresses.
var hostPorts = []string{"127.0.0.1:7001", "[::1]:7001", ":7002", "127.0.0.53:53"}

func serveMain([]string) {
	log, err := os.OpenFile(serveLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(err)
	for _, address := range hostPorts {
		l, err := net.Listen("tcp", address)
		must(err)
		go accept(l, "tcp "+address, log)
		p, err := net.ListenPacket("udp", address)
		must(err)
		go receive(p, "udp "+address, log)
	}
	for _, path := range append(hostPaths, abstractName) {
		if path != abstractName {
			must(os.MkdirAll(filepath.Dir(path), 0o755))
		}
		l, err := net.Listen("unix", path)
		must(err)
		if path != abstractName {
			must(os.Chmod(path, 0o666))
		}
		go accept(l, path, log)
	}
	for _, dir := range []string{"/tmp", "/var/tmp", "/dev/shm", "/run", "/srv", "/opt", "/mnt"} {
		must(os.WriteFile(filepath.Join(dir, hostFileName), []byte("of the host\n"), 0o666))
		must(os.Chmod(filepath.Join(dir, hostFileName), 0o666))
	}
	must(os.WriteFile(serveReady, nil, 0o600))
	select {}
}

func accept(l net.Listener, name string, log *os.File) {
	for {
		c, err := l.Accept()
		must(err)
		fmt.Fprintln(log, name, c.RemoteAddr())
		c.Close()
	}
}

func receive(p net.PacketConn, name string, log *os.File) {
	for buf := make([]byte, 2048); ; {
		_, from, err := p.ReadFrom(buf)
		must(err)
		fmt.Fprintln(log, name, from)
		_, err = p.WriteTo([]byte("here"), from)
		must(err)
	}
}

func (f *fleet) startServices() {
	f.t.Helper()
	f.MustRun("systemd-run", "-q", "--unit=serve", program, "serve")
	f.Sh("until [ -e " + serveReady + " ]; do sleep 0.1; done")
}

// served returns what the services have written down since it was called last, but for the name service cache: the host's
// own programs ask that one.
func (f *fleet) served() []string {
	f.t.Helper()
	text := f.ReadFile(serveLog)
	f.Sh("truncate -s 0 " + serveLog)
	return slices.DeleteFunc(strings.Split(strings.Trim(text, "\x00\n"), "\n"), func(line string) bool {
		return line == "" || strings.HasPrefix(line, "/run/nscd/")
	})
}

// services tries to reach what runs on the host beside the agent.
func services(string) []attempt {
	var out []attempt
	for _, address := range []string{
		"127.0.0.1:7001", "[::1]:7001", "127.0.0.1:7002", ownAddress + ":7002", "[2001:db8::1]:7002",
		"[fe80::1%" + originLink + "]:7002", "127.0.0.53:53", "0.0.0.0:7002", "[::]:7002", "localhost:7001",
	} {
		out = append(out, attempt{"TCP to " + address, "nobody", dial("tcp", address)},
			attempt{"UDP to " + address, "nobody", ask(address)})
	}
	for _, path := range append(append([]string{abstractName}, hostPaths...), realPaths...) {
		free := "nobody"
		if path == "/run/systemd/private" {
			free = "root"
		}
		out = append(out, attempt{"connect " + path, free, connect(path)})
	}
	return out
}

// ask waits for the answer to a datagram.
func ask(address string) func() error {
	return func() error {
		c, err := net.Dial("udp", address)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(answerTime / 2)); err != nil {
			return err
		}
		if _, err := c.Write([]byte("who is there")); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 16))
		return err
	}
}

func connect(path string) func() error {
	return func() error {
		var errs []error
		for _, network := range []string{"unix", "unixgram", "unixpacket"} {
			c, err := net.Dial(network, path)
			if err == nil {
				return c.Close()
			}
			errs = append(errs, err)
		}
		return errs[0]
	}
}
