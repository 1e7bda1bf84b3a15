package proxy

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// maxDirect bounds a body that is sent before the answer is looked at.
const maxDirect = 64 << 10

// roundTrip sends the request and returns the head of the answer.
func (x *exchange) roundTrip(out *http.Request) (*http.Response, error) {
	l := x.s.p.links.Load()
	if x.simple() && l.known(out) {
		return x.direct(l, out)
	}
	resp, err := x.s.p.transport.Load().RoundTrip(out.WithContext(x.traced()))
	if err == nil && resp.ProtoMajor == 1 && out.URL.Scheme == "https" {
		l.learn(key(out))
	}
	return resp, err
}

// simple tells whether question and answer follow each other.
func (x *exchange) simple() bool {
	return x.req.Length >= 0 && x.req.Length <= maxDirect && !x.upgraded && x.req.Header["Expect"] == nil
}

// direct asks by a connection of the session's own. One that was kept may have been closed just now; a request that
// can be asked twice is then asked anew.
func (x *exchange) direct(all *links, out *http.Request) (*http.Response, error) {
	if out.Body != nil {
		defer out.Body.Close()
	}
	for l := all.get(key(out)); l != nil; l = nil {
		resp, err := x.ask(l, out)
		if err == nil || out.Body != nil || !repeatable(out.Method) || !errors.Is(err, errNoAnswer) || x.ctx.Err() != nil {
			return resp, err
		}
	}
	l, err := all.dial(x.ctx, out)
	if err != nil {
		return nil, err
	}
	return x.ask(l, out)
}

func repeatable(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// errNoAnswer is the error of a host that did not begin to answer.
var errNoAnswer = errors.New("no answer")

// ask sends a request and reads the head of its answer. The connection is closed, or belongs to the answer's body.
func (x *exchange) ask(l *link, out *http.Request) (resp *http.Response, err error) {
	x.host = &l.below.wire
	stop := context.AfterFunc(x.ctx, l.close)
	defer func() {
		if err != nil {
			stop()
			l.close()
		}
	}()
	if err := x.write(l, out); err != nil {
		return nil, errors.Join(errNoAnswer, err)
	}
	_ = l.conn.SetReadDeadline(time.Now().Add(answerTime))
	l.left = maxAnswerHead
	if _, err := l.r.Peek(1); err != nil {
		return nil, errors.Join(errNoAnswer, err)
	}
	for {
		if resp, err = http.ReadResponse(l.r, out); err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			break
		}
		if err := x.interim(resp.StatusCode, resp.Header); err != nil {
			return nil, err
		}
	}
	l.left = unbounded
	if resp.ContentLength < 0 || int64(l.r.Buffered()) < resp.ContentLength {
		_ = l.conn.SetReadDeadline(time.Time{})
	}
	resp.Body = &linkBody{ReadCloser: resp.Body, l: l, stop: stop, again: !resp.Close, ended: resp.Body == http.NoBody}
	return resp, nil
}

func (x *exchange) write(l *link, out *http.Request) error {
	w := writers.Get().(*bufio.Writer)
	w.Reset(l.conn)
	defer func() {
		w.Reset(nil)
		writers.Put(w)
	}()
	return errors.Join(out.Write(w), w.Flush())
}

// linkBody gives the connection back when it is closed after its end.
type linkBody struct {
	io.ReadCloser
	l            *link
	stop         func() bool
	again, ended bool
}

func (b *linkBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || errors.Is(err, io.EOF)
	return n, err
}

func (b *linkBody) Close() error {
	if b.stop() && b.ended && b.again && b.l.r.Buffered() == 0 {
		b.l.all.put(b.l)
		return nil
	}
	b.l.close()
	return nil
}
