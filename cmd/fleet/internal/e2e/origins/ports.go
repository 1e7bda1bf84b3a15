//go:build machine

package origins

// Where what listens, at every address. A UDP port that is not named takes what comes and answers nothing.
const (
	Echo     = 7   // TCP and UDP; sends back what it gets
	Silent   = 9   // TCP; takes a connection and says nothing
	Banner   = 22  // TCP; the server speaks first, then echoes
	DNS      = 53  // UDP and TCP
	HTTP     = 80  // see web.go for its paths
	HTTPS    = 443 // the same, HTTP/1.1 and HTTP/2
	Postgres = 5432
)

// The banner of port 22.
const BannerText = "SSH-2.0-origin\r\n"

const (
	// Resolver is the name server's address, for egress.dns of a spec.
	Resolver = "93.184.215.53"

	// Address is a public address of the origins, Address6 too. All others are theirs as well, but for those of the
	// machine itself: its loopback network and HostAddress.
	Address, Address6 = "93.184.215.14", "2606:2800:21f:cb07::14"

	// HostAddress is the machine's own on the way out. On it and on loopback, ports 80 and 443 answer as services of
	// the host, which are seen as Connection.Host.
	HostAddress = "203.0.113.1"
)

// Spec is what a spec needs so that its gates ask the name server here.
const Spec = `{ egress+: { dns: '` + Resolver + `' } }`

// Namespace is a file in the machine that stands for the network namespace of the origins, for nsenter --net.
const Namespace = "/run/" + program + ".net"

// Names that begin so have such a certificate, all others a good one.
const (
	Expired    = "expired."
	SelfSigned = "selfsigned."
	WrongName  = "wrongname."
)

const (
	program = "fleet-origins"
	dir     = "/var/lib/" + program
	socket  = "/run/" + program + ".sock"
	gateway = "203.0.113.2"
	link    = "out0"
)
