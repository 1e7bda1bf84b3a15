//go:build machine

package origins

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Host is a host with pages of its own, by HTTP and HTTPS.
type Host struct {
	Name    string
	Handler http.Handler
}

// Main serves where the program was started as the origins of a machine, and never returns then.
func Main(hosts ...Host) {
	if filepath.Base(os.Args[0]) != program {
		return
	}
	fmt.Fprintln(os.Stderr, serve(hosts))
	os.Exit(1)
}

// namesFile keeps what Names set over a boot.
const namesFile = dir + "/names.json"

func serve(hosts []Host) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	ca, err := openAuthority()
	if err != nil {
		return err
	}
	b := &book{packets: map[Packet]int{}, opened: map[flow]int{}}
	z := &zone{book: b, all: map[string]*Answer{}}
	if text, err := os.ReadFile(namesFile); err == nil {
		if err := json.Unmarshal(text, &z.all); err != nil {
			return err
		}
	}
	host := server{book: b, host: true, tls: ca.config(), hosts: hosts}
	if err := host.web(HTTP, HTTPS); err != nil {
		return fmt.Errorf("services of the host: %w", err)
	}
	failed := make(chan error, 1)
	go func() { failed <- away(server{book: b, tls: ca.config(), hosts: hosts}, z) }()
	if err := <-failed; err != nil {
		return err
	}
	return control(b, z)
}

// away moves the calling thread, which is lost for all else, into a network namespace of its own, makes the way there
// and lets everything listen.
func away(s server, z *zone) error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	if err := s.book.sniff(); err != nil {
		return err
	}
	script := exec.Command("sh", "-euc", fmt.Sprintf(way, os.Getpid(), unix.Gettid()))
	script.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LINK=" + link, "HOST=" + HostAddress, "AWAY=" + gateway, "FILE=" + Namespace}
	// A forked process has the namespaces of the thread that forks.
	if out, err := script.CombinedOutput(); err != nil {
		return fmt.Errorf("the way out: %w\n%s", err, out)
	}
	return errors.Join(s.web(HTTP, HTTPS), s.others(z))
}

// way runs in the new namespace and reaches the machine's own by its PID 1.
const way = `
	# of process %d, thread %d
	home() { nsenter --target 1 --net -- "$@"; }
	home ip link delete "$LINK" 2>/dev/null || :
	ip link set lo up
	ip link add in0 type veth peer name "$LINK" netns 1
	ip link set in0 addrgenmode none
	home ip link set "$LINK" addrgenmode none
	home ip address add "$HOST/24" broadcast + dev "$LINK"
	ip address add "$AWAY/24" broadcast + dev in0
	home ip -6 address add 2001:db8::1/64 dev "$LINK" nodad
	ip -6 address add 2001:db8::2/64 dev in0 nodad
	home ip link set "$LINK" up
	ip link set in0 up
	ip route add local default dev lo
	ip -6 route add local default dev lo
	home ip route add default via "$AWAY"
	home ip -6 route add default via 2001:db8::2
	: >"$FILE"
	umount "$FILE" 2>/dev/null || :
	mount --bind /proc/self/ns/net "$FILE"`

// server is what listens in one of the two namespaces.
type server struct {
	book  *book
	host  bool
	tls   *tls.Config
	hosts []Host
}

// listen takes connections, notes them and gives them to each; it closes them.
func (s server) listen(port int, each func(net.Conn)) error {
	l, err := net.Listen("tcp", fmt.Sprint(":", port))
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				log.Print(err)
				continue
			}
			go func() {
				n := s.note(c)
				defer n.Close()
				each(n)
			}()
		}
	}()
	return nil
}

// noted is a connection whose end is noted.
type noted struct {
	net.Conn
	closed func()
}

func (n *noted) Close() error {
	n.closed()
	return n.Conn.Close()
}

func (s server) note(c net.Conn) net.Conn {
	at := c.LocalAddr().(*net.TCPAddr).AddrPort()
	return &noted{c, s.book.connected(Connection{Host: s.host, Address: at.Addr().Unmap().String(), Port: int(at.Port())})}
}

// notedListener is for servers that accept themselves.
type notedListener struct {
	net.Listener
	s server
}

func (l notedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.s.note(c), nil
}

func (s server) web(plain, secure int) error {
	for port, config := range map[int]*tls.Config{plain: nil, secure: s.tls} {
		l, err := net.Listen("tcp", fmt.Sprint(":", port))
		if err != nil {
			return err
		}
		w := &http.Server{Handler: s.book.web(s.hosts), TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0)}
		go func() {
			if config == nil {
				log.Print(w.Serve(notedListener{l, s}))
				return
			}
			log.Print(w.ServeTLS(notedListener{l, s}, "", ""))
		}()
	}
	return nil
}

func (s server) others(z *zone) error {
	echo := func(c net.Conn) { _, _ = io.Copy(c, c) }
	return errors.Join(
		s.listen(Echo, echo), s.listen(Postgres, echo),
		s.listen(Silent, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }),
		s.listen(Banner, func(c net.Conn) {
			if _, err := io.WriteString(c, BannerText); err == nil {
				echo(c)
			}
		}),
		s.listen(DNS, z.stream),
		datagrams(DNS, z.datagrams), datagrams(Echo, func(p net.PacketConn) {
			for b := make([]byte, 1<<16); ; {
				if n, from, err := p.ReadFrom(b); err == nil {
					_, _ = p.WriteTo(b[:n], from)
				}
			}
		}),
	)
}

// datagrams listens at one address of each family that a client asks, since a socket at all addresses would answer from
// another one.
func datagrams(port int, each func(net.PacketConn)) error {
	for _, address := range []string{Resolver, Address, "[" + Address6 + "]"} {
		p, err := anyAddress.ListenPacket(context.Background(), "udp", fmt.Sprintf("%s:%d", address, port))
		if err != nil {
			return err
		}
		go each(p)
	}
	return nil
}

// anyAddress binds to addresses that a route alone makes local, which IPv6 refuses otherwise.
var anyAddress = net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_FREEBIND, 1) // fails for IPv4, which needs none
	})
}}

// control answers the test, which sees the socket by the machine's root folder.
func control(b *book, z *zone) error {
	_ = os.Remove(socket)
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /seen", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(b.seen()) })
	mux.HandleFunc("POST /forget", func(http.ResponseWriter, *http.Request) { b.forget() })
	mux.HandleFunc("POST /names", func(w http.ResponseWriter, r *http.Request) {
		if err := z.set(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	return http.Serve(l, mux)
}

// set takes names over those that are known.
func (z *zone) set(from io.Reader) error {
	var next map[string]*Answer
	if err := json.NewDecoder(from).Decode(&next); err != nil {
		return err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	for name, a := range next {
		z.all[strings.ToLower(name)] = a
	}
	text, err := json.Marshal(z.all)
	if err != nil {
		return err
	}
	return os.WriteFile(namesFile, text, 0o600)
}
