//go:build machine

package egress

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"time"
)

var errAlert = errors.New("the gate's TLS alert")

// clientHello returns a ClientHello for a name, in one record.
func clientHello(name string) []byte {
	return helloOf(&tls.Config{ServerName: name, InsecureSkipVerify: name == ""}) //nolint:gosec // it is for its bytes alone
}

func helloOf(config *tls.Config) []byte {
	a, b := net.Pipe()
	go func() {
		_ = tls.Client(a, config).Handshake()
		a.Close()
	}()
	defer b.Close()
	head := make([]byte, 5)
	if _, err := io.ReadFull(b, head); err != nil {
		panic(err)
	}
	body := make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(b, body); err != nil {
		panic(err)
	}
	return append(head, body...)
}

// helloWith is a ClientHello whose name is replaced by any bytes of the same length as a name of only x.
func helloWith(raw string) []byte {
	name := strings.Repeat("x", len(raw)-5) + ".test"
	return bytes.ReplaceAll(clientHello(name), []byte(name), []byte(raw))
}

// fragmented cuts the handshake message of a record into records of n bytes.
func fragmented(record []byte, n int) []byte {
	var out []byte
	for body := record[5:]; len(body) > 0; {
		part := body[:min(n, len(body))]
		body = body[len(part):]
		out = append(out, record[0], record[1], record[2], byte(len(part)>>8), byte(len(part)))
		out = append(out, part...)
	}
	return out
}

// withExtension adds an extension to a ClientHello in one record.
func withExtension(record []byte, kind uint16, data []byte) []byte {
	out := bytes.Clone(record)
	at := 5 + 4 + 2 + 32 // record, handshake, version, random
	at += 1 + int(out[at])
	at += 2 + int(binary.BigEndian.Uint16(out[at:]))
	at += 1 + int(out[at])
	extension := binary.BigEndian.AppendUint16(nil, kind)
	extension = binary.BigEndian.AppendUint16(extension, uint16(len(data)))
	extension = append(extension, data...)
	out = append(out, extension...)
	binary.BigEndian.PutUint16(out[at:], binary.BigEndian.Uint16(out[at:])+uint16(len(extension)))
	long := len(out) - 9
	out[6], out[7], out[8] = byte(long>>16), byte(long>>8), byte(long)
	binary.BigEndian.PutUint16(out[3:], uint16(len(out)-5))
	return out
}

// serverNames is the content of the extension server_name with these names.
func serverNames(names ...string) []byte {
	var list []byte
	for _, n := range names {
		list = append(list, 0, byte(len(n)>>8), byte(len(n)))
		list = append(list, n...)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...)
}

// greet sends the begin of a TLS connection in parts, with a pause between, and reads the begin of the answer. Whatever is
// not the begin of a ServerHello is an error.
func greet(c net.Conn, pause time.Duration, parts ...[]byte) error {
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	for i, p := range parts {
		if i > 0 {
			time.Sleep(pause)
		}
		if _, err := c.Write(p); err != nil {
			break // the answer may be there
		}
	}
	head := make([]byte, 5)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	if head[0] != 22 {
		return errAlert
	}
	return nil
}

// open opens a way to a host's port 443: "by name" as a program without a proxy does, "by CONNECT" as one with it.
var open = map[string]func(a *agent, host string) (net.Conn, error){
	"by name":    func(a *agent, host string) (net.Conn, error) { return a.dial("tcp", host+":443") },
	"by CONNECT": func(a *agent, host string) (net.Conn, error) { return a.connect(host + ":443") },
}

var ways = []string{"by name", "by CONNECT"}

// hellos are attempts to begin TLS with a host by each way.
func hellos(reason, name, host string, parts ...[]byte) (out []attempt) {
	for _, way := range ways {
		out = append(out, attempt{name: name + " " + way, reason: reason, do: func(a *agent) error {
			c, err := open[way](a, host)
			if err != nil {
				a.t.Errorf("%s %s: %v", name, way, err)
				return err
			}
			defer c.Close()
			return greet(c, 100*time.Microsecond, parts...)
		}})
	}
	return out
}

// bytewise cuts into single bytes, and what is behind the first hundred into pieces of a hundred.
func bytewise(b []byte) (out [][]byte) {
	for len(b) > 0 {
		n := 1
		if len(out) >= 100 {
			n = min(100, len(b))
		}
		out, b = append(out, b[:n]), b[n:]
	}
	return out
}
