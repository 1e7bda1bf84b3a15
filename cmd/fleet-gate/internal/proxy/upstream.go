package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/schemas/policy"
)

const (
	// handshakeTime bounds a TLS handshake with a host.
	handshakeTime = 10 * time.Second

	// goOnTime is how long a host that is asked whether it wants a body has for its answer; RFC 9110 section 10.1.1
	// has clients not wait for ever.
	goOnTime = time.Second

	// maxAnswerHead bounds the head of a host's answer. Browsers take 256 KiB.
	maxAnswerHead = 256 << 10

	// streamWindow and connWindow bound what a host may send that an agent does not take, for one stream of HTTP/2 and
	// for all of a connection.
	streamWindow = 1 << 20
	connWindow   = 4 << 20

	// pingAfter is how long a connection of HTTP/2 may be silent before it is asked whether it is still there.
	pingAfter = 30 * time.Second
	pingTime  = 15 * time.Second

	// maxSessions bounds the TLS sessions that are kept to be gone on with.
	maxSessions = 64
)

// newTransport makes what connects to hosts and keeps connections for later requests.
func (p *Proxy) newTransport() *http.Transport {
	return &http.Transport{
		DialContext:            p.dial,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    16,
		MaxIdleConns:           64,
		IdleConnTimeout:        time.Minute,
		ResponseHeaderTimeout:  answerTime,
		ExpectContinueTimeout:  goOnTime,
		MaxResponseHeaderBytes: maxAnswerHead,
		WriteBufferSize:        readBuffer,
		ReadBufferSize:         readBuffer,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    handshakeTime,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12, RootCAs: p.Roots, DynamicRecordSizingDisabled: true,
			ClientSessionCache: tls.NewLRUClientSessionCache(maxSessions),
		},
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: streamWindow, MaxReceiveBufferPerConnection: connWindow,
			SendPingTimeout: pingAfter, PingTimeout: pingTime,
		},
	}
}

// dial connects for the transport. What it returns is closed when a new policy does not allow its address.
func (p *Proxy) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	t, err := p.Dialer.Resolve(ctx, host, uint16(port))
	if err != nil {
		return nil, err
	}
	c, err := p.Dialer.Dial(ctx, t)
	if err != nil {
		return nil, err
	}
	w := &watched{wire: newWire(c)}
	var ok bool
	if w.watch, ok = p.Judge.Watch(w.cut, t.Checks(c.RemoteAddr())...); !ok {
		c.Close()
		return nil, errReplaced
	}
	return w, nil
}

var errReplaced = &judge.Refusal{Reason: policy.ReasonHost, Text: "the policy has just changed and does not allow it any more"}

// watched is a connection of the transport.
type watched struct {
	wire
	watch *judge.Watch
}

func (w *watched) cut() {
	w.wasCut.Store(true)
	w.tcp.Close()
}

func (w *watched) Close() error {
	w.watch.Done()
	return w.wire.Close()
}

// Write gives a host that takes nothing no more time than an agent that sends nothing.
func (w *watched) Write(b []byte) (int, error) {
	_ = w.SetWriteDeadline(time.Now().Add(bodyTime))
	return w.wire.Write(b)
}

// refusal returns the Refusal in an error of a connection.
func refusal(err error) *judge.Refusal {
	var r *judge.Refusal
	if errors.As(err, &r) {
		return r
	}
	if r = ofTLS(err); r != nil {
		return r
	}
	return &judge.Refusal{Reason: judge.Unreached, Text: "the host broke the connection or its answer is no HTTP"}
}

// ofTLS returns the Refusal of a failed handshake with a host, nil where it did not fail.
func ofTLS(err error) *judge.Refusal {
	bad := func(text string) *judge.Refusal {
		return &judge.Refusal{Reason: judge.BadCert, Text: "the host's certificate " + text}
	}
	var (
		verify *tls.CertificateVerificationError
		name   x509.HostnameError
		issuer x509.UnknownAuthorityError
		wrong  x509.CertificateInvalidError
		record tls.RecordHeaderError
		op     *net.OpError
	)
	switch {
	case errors.As(err, &name):
		return bad("is for another name")
	case errors.As(err, &issuer):
		return bad("comes from an authority that the gate does not know; the operator adds it to the host's trusted ones")
	case errors.As(err, &wrong) && wrong.Reason == x509.Expired:
		return bad("has expired or is not valid yet")
	case errors.As(err, &verify):
		return bad("is not good: " + verify.Err.Error())
	case errors.As(err, &record):
		return &judge.Refusal{Reason: judge.Unreached, Text: "the host does not speak TLS"}
	case errors.As(err, &op) && op.Op == "remote error" && strings.Contains(op.Err.Error(), "certificate"):
		return &judge.Refusal{Reason: judge.WantsCert, Text: "the host wants a certificate of its client (" + op.Err.Error() +
			"), which an inspected connection cannot bring; the operator lists the host without methods and paths"}
	case errors.As(err, &op) && op.Op == "remote error":
		return &judge.Refusal{Reason: judge.Unreached, Text: "the host ended the TLS handshake: " + op.Err.Error()}
	}
	return nil
}
