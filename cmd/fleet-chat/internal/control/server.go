package control

import (
	"context"
	"errors"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"fleet/cmd/internal/chatctl"
)

const (
	readTime  = 10 * time.Second // for a request
	writeTime = 10 * time.Second // for an answer, or for each piece of what is followed
	keepAlive = 30 * time.Second
	endTime   = 2 * time.Second // what is under way has it when the server is closed
	maxHead   = 128 << 10       // the positions of a thousand channels

	// maxFollowing streams are open at a time.
	maxFollowing = 32

	// beatTime is how often one who follows gets to know that the chat is still there.
	beatTime = 15 * time.Second
)

// Server is the control socket's.
type Server struct {
	hub  Hub
	log  *logrus.Logger
	http *http.Server

	once      sync.Once
	ended     chan struct{}
	following chan struct{} // one for each stream

	identify func(net.Conn) (caller, error)
	beat     time.Duration
	patience time.Duration // how long a client may read nothing
}

// New makes a server.
func New(hub Hub, log *logrus.Logger) *Server {
	s := &Server{
		hub: hub, log: log, ended: make(chan struct{}), following: make(chan struct{}, maxFollowing),
		identify: peer, beat: beatTime, patience: writeTime,
	}
	s.http = &http.Server{
		Handler: s.handler(), ReadHeaderTimeout: readTime, IdleTimeout: keepAlive, MaxHeaderBytes: maxHead,
		ErrorLog:    stdlog.New(io.Discard, "", 0), // it tells of clients that break off, in their words
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return withCaller(ctx, s.identify, c) },
	}
	return s
}

// Serve serves what a listener takes, connections of Unix sockets or what wraps one and has NetConn, until it is closed.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends what is followed, has what is under way end in time, and closes connections and listeners.
func (s *Server) Close() error {
	s.once.Do(func() { close(s.ended) })
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if s.http.Shutdown(ctx) == nil {
		return nil
	}
	return s.http.Close()
}

// request is one request.
type request struct {
	*http.Request
	caller
}

// do answers one request; an error is told.
type do func(r request) (any, error)

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, f := range map[string]do{
		"GET " + chatctl.ChatPath:                       s.chat,
		"GET " + chatctl.MessagesPath:                   s.messages,
		"POST " + chatctl.MessagesPath:                  s.post,
		"POST " + chatctl.AlertsPath:                    s.alert,
		"GET " + chatctl.TasksPath:                      s.tasks,
		"POST " + chatctl.TasksPath:                     s.createTask,
		"GET " + chatctl.TasksPath + "/{number}":        s.task,
		"PATCH " + chatctl.TasksPath + "/{number}":      s.updateTask,
		"POST " + chatctl.TasksPath + "/{number}/claim": s.claimTask,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.answer(w, r, f) })
	}
	mux.HandleFunc("GET "+chatctl.FollowPath, s.follow)
	return mux
}
