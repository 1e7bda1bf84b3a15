package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"

	"fleet/cmd/fleet-chat/internal/clean"
	"fleet/schemas/chat"
)

// caller is the user at the other end of a connection.
type caller struct {
	uid  uint32
	name string
}

const (
	// local is the ID of every person of this host.
	local = "local"

	// nobody is what the kernel says of a user whom this process cannot know, by the default of
	// /proc/sys/kernel/overflowuid.
	nobody = 65534

	maxName = 32 // characters, as useradd(8) allows
)

var errNobody = errors.New("who asks cannot be told: the chat's unit must have no PrivateUsers=")

// person is the caller as the author of what is said.
func (c caller) person() chat.Author {
	return chat.Author{Kind: chat.KindPerson, ID: local, Name: c.name}
}

// fleet tells whether the caller speaks for the fleet.
func (c caller) fleet() bool { return c.uid == 0 }

// peer asks the kernel who connected (SO_PEERCRED, unix(7)).
func peer(c net.Conn) (caller, error) {
	u, err := unixConn(c)
	if err != nil {
		return caller{}, err
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return caller{}, err
	}
	var cred *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, failed); err != nil {
		return caller{}, fmt.Errorf("who asks cannot be told: %w", err)
	}
	return callerFrom(cred)
}

func callerFrom(cred *unix.Ucred) (caller, error) {
	if cred.Uid == nobody {
		return caller{}, errNobody
	}
	return caller{cred.Uid, nameOf(cred.Uid)}, nil
}

// unixConn is the socket inside what wraps it.
func unixConn(c net.Conn) (*net.UnixConn, error) {
	for {
		switch inner := c.(type) {
		case *net.UnixConn:
			return inner, nil
		case interface{ NetConn() net.Conn }:
			c = inner.NetConn()
		default:
			return nil, fmt.Errorf("a control connection must be one of a Unix socket, is a %T", c)
		}
	}
}

// nameOf is the user's name, or the number where this process finds none: a user of a directory service, or one who was
// added since the daemon's start.
func nameOf(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(number); err == nil {
		if name := clean.Line(u.Username, maxName); name != "" {
			return name
		}
	}
	return "uid " + number
}

type callerKey struct{}

// known is what peer has returned for a connection.
type known struct {
	caller
	err error
}

func withCaller(ctx context.Context, identify func(net.Conn) (caller, error), c net.Conn) context.Context {
	who, err := identify(c)
	return context.WithValue(ctx, callerKey{}, known{who, err})
}

func callerOf(ctx context.Context) (caller, error) {
	k, ok := ctx.Value(callerKey{}).(known)
	if !ok {
		return caller{}, errors.New("who asks cannot be told")
	}
	return k.caller, k.err
}
