package policy

import (
	"errors"
	"strings"
)

// ErrPort tells that a text is no port.
var ErrPort = errors.New("port must be a number from 1 to 65535 without a sign or a leading zero")

// ErrTarget tells that a text is not HOST:PORT.
var ErrTarget = errors.New("target must be HOST:PORT, an IPv6 address in brackets")

// ParsePort reads a port; its only form is the shortest one. The error is ErrPort.
func ParsePort(s string) (uint16, error) {
	if s == "" || len(s) > 5 || s[0] == '0' {
		return 0, ErrPort
	}
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, ErrPort
		}
		n = 10*n + int(s[i]-'0')
	}
	if n > 65535 {
		return 0, ErrPort
	}
	return uint16(n), nil
}

// ParseTarget reads HOST:PORT as CONNECT and a Host header with a port have it. The error is ErrTarget, ErrHost or
// ErrPort.
func ParseTarget(s string) (Host, uint16, error) {
	at := strings.LastIndexByte(s, ':')
	if at < 0 || at > 0 && s[0] != '[' && strings.IndexByte(s[:at], ':') >= 0 {
		return Host{}, 0, ErrTarget
	}
	port, err := ParsePort(s[at+1:])
	if err != nil {
		return Host{}, 0, err
	}
	h, err := ParseHost(s[:at])
	return h, port, err
}
