// Package listen takes over the sockets that systemd has bound where only one agent reaches each, and serves them until
// nothing has happened for a while. It makes no listener of its own.
package listen

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
)

// Listener is one that can stop to accept without being closed.
type Listener interface {
	net.Listener
	SetDeadline(t time.Time) error
}

// Inherited takes the sockets of LISTEN_FDS (sd_listen_fds(3)), which no child process gets then, by their names. It
// refuses whatever is not a listening stream socket, a name that is not wanted, and a set in which one is missing.
func Inherited(want []string) (map[string][]Listener, error) {
	files := activation.Files(true)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if len(files) == 0 {
		return nil, errors.New("no socket was passed: start the daemon through its socket units (LISTEN_FDS of systemd)")
	}
	all := map[string][]Listener{}
	for i, f := range files {
		l, err := net.FileListener(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("socket %d of LISTEN_FDS (%s): %w", i, f.Name(), err), closeAll(all))
		}
		stream, ok := l.(Listener)
		if !ok || !slices.Contains(want, f.Name()) {
			err := fmt.Errorf("socket %d of LISTEN_FDS: FileDescriptorName= must be one of %q, is %q", i, want, f.Name())
			return nil, errors.Join(err, l.Close(), closeAll(all))
		}
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false) // the socket is systemd's
		}
		all[f.Name()] = append(all[f.Name()], stream)
	}
	for _, name := range want {
		if len(all[name]) == 0 {
			return nil, errors.Join(fmt.Errorf("systemd passed no socket with FileDescriptorName=%s", name), closeAll(all))
		}
	}
	return all, nil
}

// Of returns those of a name and a network, "tcp" or "unix", of which there must be one at least; none for no name.
func Of(all map[string][]Listener, name, network string) ([]Listener, error) {
	if name == "" {
		return nil, nil
	}
	out := slices.DeleteFunc(slices.Clone(all[name]), func(l Listener) bool { return l.Addr().Network() != network })
	if len(out) == 0 {
		return nil, fmt.Errorf("systemd passed no %s socket with FileDescriptorName=%s", network, name)
	}
	return out, nil
}

func closeAll(all map[string][]Listener) error {
	var errs []error
	for _, list := range all {
		for _, l := range list {
			errs = append(errs, l.Close())
		}
	}
	return errors.Join(errs...)
}
