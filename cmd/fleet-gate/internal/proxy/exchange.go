package proxy

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"sync/atomic"

	"fleet/cmd/fleet-gate/internal/broker"
	"fleet/cmd/fleet-gate/internal/budget"
	"fleet/cmd/fleet-gate/internal/head"
	"fleet/cmd/fleet-gate/internal/judge"
	"fleet/schemas/policy"
)

// maxInterim bounds the answers 1xx to one request.
const maxInterim = 32

// exchange is a request that goes out, and its answer.
type exchange struct {
	s    *session
	a    agent
	req  *head.Request
	q    policy.Request
	c    *judge.Case
	path string // to pass on
	use  *broker.Use

	meter *budget.Meter // of the bytes that go out; nil: they have no limit

	host     *wire // that the answer comes by
	ctx      context.Context
	cancel   context.CancelFunc
	body     *body
	down     atomic.Int64
	upgraded bool
	wasCut   atomic.Bool
	wasIdle  atomic.Bool
	interims atomic.Int32
}

// run does the exchange and reports whether the agent can ask again.
func (x *exchange) run() bool {
	x.ctx, x.cancel = context.WithCancel(context.Background())
	defer x.cancel()
	x.body = x.a.content()
	x.body.meter = x.meter
	// A cut ends also an agent that does not read or write.
	w, ok := x.s.p.Judge.WatchIf(x.cut, x.use.Fits, x.q)
	if !ok {
		x.c.End(0, 0, "cut")
		return x.refuse(errReplaced)
	}
	defer w.Done()
	out, err := x.outgoing()
	if err != nil {
		x.c.End(0, 0, judge.Malformed)
		return x.refuse(&judge.Refusal{Reason: judge.Malformed, Text: "the target cannot be passed on"})
	}
	silence := x.limitSilence()
	defer silence()
	stop := x.a.watch(x.cancel)
	resp, err := x.roundTrip(out)
	if err != nil {
		stop()
		return x.failed(err)
	}
	defer resp.Body.Close()
	if r := x.use.Answer(resp); r != nil {
		stop()
		x.cancel()
		return x.failed(r)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		stop() // the agent's bytes are read from now on
	}
	if err = x.pass(resp); err != nil {
		x.a.cut() // what it got must not look whole
	}
	stop()
	x.leave()
	x.end(x.down.Load(), x.result(err))
	return err == nil
}

// end records the end. A body may have been found wanting after the host had answered.
func (x *exchange) end(down int64, result string) {
	if r := x.body.refusal(); r != nil && r.Reason == policy.ReasonPlaceholder {
		x.c.Misplaces(r.Secret)
		result = r.Reason
	}
	x.c.End(x.body.n.Load(), down, result)
}

func (x *exchange) cut() {
	x.wasCut.Store(true)
	x.cancel()
	x.a.cut()
}

func (x *exchange) result(err error) string {
	switch {
	case x.wasCut.Load(), x.s.wasCut.Load(), x.host != nil && x.host.wasCut.Load():
		return "cut"
	case errors.Is(err, errIdle), x.wasIdle.Load():
		return "idle"
	case err != nil:
		return "failed"
	}
	return "closed"
}

// failed ends an exchange without an answer of the host.
func (x *exchange) failed(err error) bool {
	x.body.stop()
	x.body.wait()
	r := x.body.refusal()
	if r == nil {
		r = refusal(err)
	}
	result := x.result(nil)
	if result == "closed" {
		result = r.Reason
	}
	x.end(0, result)
	return x.refuse(r)
}

// refuse answers in place of the host.
func (x *exchange) refuse(r *judge.Refusal) bool { return x.s.refuse(x.a, r) }

// leave lets a body go that the host has answered without.
func (x *exchange) leave() {
	if !x.body.ended() {
		x.a.leave()
		x.body.stop()
		x.cancel()
		x.body.wait()
		x.a.left()
	}
	x.body.wait()
}

// traced has interim answers passed on, and a body that the host answers without left with the agent.
func (x *exchange) traced() context.Context {
	return httptrace.WithClientTrace(x.ctx, &httptrace.ClientTrace{
		GotConn:              x.connected,
		GotFirstResponseByte: func() { x.body.answered.Store(true) },
		Got100Continue:       func() { x.body.wanted.Store(true) },
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			return x.interim(code, http.Header(h))
		},
	})
}

// interim passes an answer on that is not the final one.
func (x *exchange) interim(code int, h http.Header) error {
	if x.interims.Add(1) > maxInterim {
		return errors.New("too many interim answers")
	}
	if code == http.StatusContinue {
		return nil // sent where the body is read
	}
	strip(h)
	x.use.Header(h)
	return x.a.interim(code, h)
}

// pass sends the answer on. An error is one after the agent may have got a part of it.
func (x *exchange) pass(resp *http.Response) error {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return x.upgrade(resp)
	}
	if resp.StatusCode < 200 {
		return errors.New("an interim answer in place of a final one")
	}
	h := resp.Header
	declared := h["Content-Length"]
	strip(h)
	strip(resp.Trailer)
	a := &answer{code: resp.StatusCode, header: h, length: resp.ContentLength, trailer: resp.Trailer}
	a.none = x.req.Method == http.MethodHead || resp.StatusCode == http.StatusNoContent ||
		resp.StatusCode == http.StatusNotModified
	switch {
	case a.none && len(declared) == 1 && resp.StatusCode != http.StatusNoContent:
		h["Content-Length"] = declared
	case !a.none && a.length >= 0:
		h["Content-Length"] = []string{strconv.FormatInt(a.length, 10)}
	}
	if err := x.a.begin(a); err != nil {
		return err
	}
	if a.none {
		return x.a.finish(nil)
	}
	return x.copyBody(resp)
}

// strip takes away what was for the gate alone.
func strip(h http.Header) {
	for _, name := range head.Tokens(h, "Connection") {
		h.Del(name)
	}
	for _, name := range []string{
		"Connection", "Proxy-Connection", "Keep-Alive", "Te", "Transfer-Encoding", "Upgrade", "Content-Length",
		"Proxy-Authenticate", "Proxy-Authentication-Info", "X-Fleet-Deny",
	} {
		delete(h, name)
	}
}
