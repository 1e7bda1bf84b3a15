// Package control answers root's questions about a gate on a Unix socket: GET /status and GET /metrics. It changes
// nothing, and the agent never sees the socket.
package control

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/fleet-gate/internal/tally"
	"fleet/schemas/egress"
)

// patience bounds a question and its answer.
const patience = 5 * time.Second

// maxHead bounds a question.
const maxHead = 4 << 10

// Answers are what the gate says.
type Answers struct {
	Status  func() egress.Status
	Metrics func(io.Writer) error
}

// Server is a control socket.
type Server struct{ http *http.Server }

// Listen serves a socket at path. Who reaches it is its folder's to say, which is the gate's alone: so the watchdog needs
// just the right to look there (CAP_DAC_READ_SEARCH), not that to write everywhere. A socket that a killed gate left is taken away.
func Listen(path string, a Answers, log *logrus.Logger) (*Server, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o666); err != nil {
		l.Close()
		return nil, err
	}
	s := &Server{&http.Server{
		Handler: a.handler(), ReadTimeout: patience, WriteTimeout: patience, MaxHeaderBytes: maxHead,
	}}
	s.http.SetKeepAlivesEnabled(false)
	go func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.WithError(err).Error("the control socket is not served any more")
		}
	}()
	return s, nil
}

func (a Answers) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+egress.StatusPath, func(w http.ResponseWriter, _ *http.Request) {
		s := a.Status()
		b, err := egress.Encode(&s)
		if err != nil {
			http.Error(w, fmt.Sprintf("status: %v", err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(b) // whoever does not read asks again
	})
	mux.HandleFunc("GET "+egress.MetricsPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", tally.ContentType)
		_ = a.Metrics(w)
	})
	return mux
}

// Close ends the socket and takes it away.
func (s *Server) Close() error { return s.http.Close() }
