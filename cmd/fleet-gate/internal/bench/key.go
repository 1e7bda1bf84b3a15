//go:build bench

package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"fleet/schemas/policy"
)

const (
	// keyName is the secret of keyHost, and otherKeys how many more the gate has, for other hosts.
	keyName   = "KEY"
	otherKeys = 10

	// keyValue is shaped as AWS makes them; since it has signs that are escaped, there are many forms of it to look for.
	keyValue       = "bW9zdCBzZWNyZXQ/b25l+Z2F0ZXMgaG9sZCBpdCE"
	keyPlaceholder = "fleet-placeholder-KEY-0123456789abcdef"
)

// keyed and once are sites that want the secret and have it in all that they say: scrubbing finds something.
var (
	keyed = &site{
		small: append([]byte(answerHead(answerSize)), withKey(answerSize)...),
		block: withKey(256 << 10),
		field: []byte(bearer(keyValue)),
	}
	once = &site{
		small: append([]byte("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1024\r\n\r\n"), withKey(answerSize)...),
		field: keyed.field, once: true,
	}
)

func bearer(value string) string { return "Authorization: Bearer " + value + "\r\n" }

// withKey makes a text of random letters with the secret in the middle; the same one each time.
func withKey(size int) []byte {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
	draw := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	b := make([]byte, size)
	for i := range b {
		b[i] = letters[draw.IntN(len(letters))]
	}
	copy(b[size/2:], keyValue)
	return b
}

// startBroker starts a gate that has secrets.
func (l *lab) startBroker() (*subject, error) {
	dir, err := l.dir("broker")
	if err != nil {
		return nil, err
	}
	credentials := filepath.Join(dir, "credentials")
	if err := os.Mkdir(credentials, 0o755); err != nil {
		return nil, err
	}
	p := gatePolicy()
	for i := range otherKeys + 1 {
		s := policy.Secret{
			Name: keyName, Placeholder: keyPlaceholder, Hosts: []string{keyHost, onceHost}, Ports: []int{tlsPort},
			Bearer: true,
		}
		value := keyValue
		if i > 0 {
			s.Name = fmt.Sprintf("%s%d", keyName, i)
			s.Placeholder = "fleet-placeholder-" + s.Name + "-0123456789abcdef"
			s.Hosts = []string{fmt.Sprintf("h%d.other.example", i)}
			value = fmt.Sprintf("value-of-another-secret-%04d", i)
		}
		p.Secrets = append(p.Secrets, s)
		if err := os.WriteFile(filepath.Join(credentials, s.Name), []byte(value+"\n"), 0o444); err != nil {
			return nil, err
		}
	}
	return l.runGate(&subject{name: "broker", holds: true}, dir, p, "--credentials", credentials)
}

// secureWeb connects to a host. To one that wants the secret goes with each request what a client of the subject has:
// the value or the placeholder.
func (s *subject) secureWeb(host string) (*web, error) {
	c, err := s.connectTLS(host, tlsPort)
	if err != nil {
		return nil, err
	}
	w := newWeb(c)
	switch {
	case host != keyHost && host != onceHost:
	case s.holds:
		w.fields = bearer(keyPlaceholder)
	default:
		w.fields = bearer(keyValue)
	}
	return w, nil
}

// keyed asks for a text and looks whether it has the secret, which none has that the gate has scrubbed.
func (w *web) keyed(s *subject, host, target string) error {
	size, err := w.send(target, host)
	if err != nil {
		return err
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(w.r, b); err != nil {
		return err
	}
	if found := bytes.Contains(b, []byte(keyValue)); found == s.holds {
		return fmt.Errorf("the secret is in the answer: %v", found)
	}
	return nil
}
