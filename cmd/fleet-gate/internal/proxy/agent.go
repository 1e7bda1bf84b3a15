package proxy

import (
	"io"
	"net/http"

	"fleet/cmd/fleet-gate/internal/head"
)

// agent is who asks in an exchange: a connection of HTTP/1, or a stream of HTTP/2.
type agent interface {
	// content is the body of the request.
	content() *body

	// watch calls gone when the agent goes away. After stop nobody waits for it any more; it may be called again.
	watch(gone func()) (stop func())

	// interim sends an answer 1xx. It may come from another goroutine, and is dropped once there is a final answer.
	interim(code int, h http.Header) error

	// begin sends the head of a final answer, Write parts of its body, Flush what waits, finish the end with a trailer.
	begin(a *answer) error
	io.Writer
	Flush() error
	finish(trailer http.Header) error

	// upgrade sends a 101 and gives the connection away.
	upgrade(h http.Header) (stream, error)

	// say answers in place of a host, and reports whether the agent can ask again. With a reason it is a refusal.
	say(code int, reason, text string) (again bool)

	// leave tells the agent that the rest of its body is not read, before and after nobody does so any more.
	leave()
	left()

	// cut ends it at once, whatever it is doing.
	cut()
}

// answer is the head of a host's answer.
type answer struct {
	code    int
	header  http.Header // without hop-by-hop fields, with Content-Length where it is known
	length  int64       // of the body; -1 where it is not known
	none    bool        // there is no body, whatever Content-Length says
	trailer http.Header // whose names are announced
}

// stream is a connection whose protocol has been changed.
type stream interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// expects tells whether the agent waits for 100 Continue before it sends a body.
func expects(req *head.Request) bool {
	return req.Minor == 1 && req.Length != 0 && contains(head.Tokens(req.Header, "Expect"), "100-continue")
}
