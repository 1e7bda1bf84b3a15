// Package stdio serves MCP as a stdio server speaks it, a message on each line, on the connections of a Unix socket. Of a
// client it gives on only what belongs to its session, and no more at a time than can be held.
package stdio

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"fleet/cmd/internal/frames"
)

// CodeBusy is the error for a question too many, in the range that JSON-RPC leaves to servers.
const CodeBusy = -32003

// maxAsked questions of a session wait for their answer, with at most as many bytes as askedMessages messages may have.
const maxAsked, askedMessages = 64, 4

// Serve serves a session on a connection, of messages of at most max bytes, until its end. After the agent's last message
// it answers what is open. The connection bounds how long the agent may read nothing.
func Serve(of *mcp.Server, c net.Conn, max int) {
	l := &lines{c: c, r: frames.NewReader(c, max), limit: askedMessages * max, asked: map[jsonrpc.ID]int{}}
	l.answered.L = &l.mu
	ss, err := of.Connect(context.Background(), l, nil)
	if err != nil {
		c.Close()
		return
	}
	_ = ss.Wait() // however it ends
}

// lines is an agent's connection. It gives on only what belongs to a session of a client, and no more of it at a time than
// can be held.
type lines struct {
	c     net.Conn
	r     *frames.Reader
	limit int

	mu       sync.Mutex
	answered sync.Cond
	asked    map[jsonrpc.ID]int // bytes of questions without an answer
	bytes    int                // their sum
	begun    bool               // the client has told so
	over     bool

	writing sync.Mutex
}

// Connect is the transport's.
func (l *lines) Connect(context.Context) (mcp.Connection, error) { return l, nil }

// SessionID is empty: the connection is the session.
func (l *lines) SessionID() string { return "" }

// Read returns the next message that is to be handled.
func (l *lines) Read(context.Context) (jsonrpc.Message, error) {
	for {
		line, err := l.r.Next()
		var long *frames.TooLong
		switch {
		case errors.As(err, &long):
			l.deny(long.ID, jsonrpc.CodeInvalidRequest, long.Error())
		case errors.Is(err, io.EOF):
			l.drain()
			return nil, io.EOF
		case err != nil:
			return nil, err
		case line[0] == '[':
			l.deny(jsonrpc.ID{}, jsonrpc.CodeInvalidRequest, "batches are not taken: send each message on its own line")
		default:
			if msg := l.message(line); msg != nil {
				return msg, nil
			}
		}
	}
}

// message returns a message that is to be handled, or nil.
func (l *lines) message(line []byte) jsonrpc.Message {
	msg, err := jsonrpc.DecodeMessage(line)
	if err != nil {
		l.deny(frames.ID(line), jsonrpc.CodeParseError, "this is no message of JSON-RPC 2.0")
		return nil
	}
	r, ok := msg.(*jsonrpc.Request)
	if !ok {
		return nil // nothing was asked
	}
	if !r.IsCall() {
		if l.notified(r) {
			return r
		}
		return nil
	}
	if code, text := l.ask(r.ID, len(line)); code != 0 {
		l.deny(r.ID, code, text)
		return nil
	}
	return r
}

// notified tells whether a notification has an effect: nothing else may fill the queue of what is handled.
func (l *lines) notified(r *jsonrpc.Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch r.Method {
	case "notifications/initialized":
		first := !l.begun
		l.begun = true
		return first
	case "notifications/cancelled":
		var p struct {
			ID any `json:"requestId"`
		}
		if json.Unmarshal(r.Params, &p) != nil {
			return false
		}
		id, err := jsonrpc.MakeID(p.ID)
		size, open := l.asked[id]
		if err != nil || !open || size < 0 {
			return false
		}
		l.bytes -= size
		l.asked[id] = -1 // once
		return true
	}
	return false
}

// ask notes a question; a code other than 0 refuses it.
func (l *lines) ask(id jsonrpc.ID, size int) (code int64, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, twice := l.asked[id]; twice {
		return jsonrpc.CodeInvalidRequest, "a request with this id is open"
	}
	if len(l.asked) >= maxAsked || l.bytes+size > l.limit {
		return CodeBusy, "too much is open; wait for answers"
	}
	l.asked[id] = size
	l.bytes += size
	return 0, ""
}

// deny answers in the place of whom the message does not reach.
func (l *lines) deny(id jsonrpc.ID, code int64, text string) {
	e := struct {
		Version string         `json:"jsonrpc"`
		ID      any            `json:"id"` // null where there is none, which the SDK would leave out
		Error   *jsonrpc.Error `json:"error"`
	}{"2.0", id.Raw(), &jsonrpc.Error{Code: code, Message: text}}
	b, err := json.Marshal(e)
	if err == nil {
		_ = l.write(b) // Read finds the end of the connection
	}
}

// drain waits until all is answered that was asked.
func (l *lines) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.asked) > 0 && !l.over {
		l.answered.Wait()
	}
}

// Write sends a message.
func (l *lines) Write(_ context.Context, msg jsonrpc.Message) error {
	b, err := jsonrpc.EncodeMessage(msg)
	if err != nil {
		return err
	}
	if r, ok := msg.(*jsonrpc.Response); ok {
		l.mu.Lock() // before the agent has it, and may use the identifier again
		l.bytes -= max(0, l.asked[r.ID])
		delete(l.asked, r.ID)
		l.answered.Broadcast()
		l.mu.Unlock()
	}
	return l.write(b)
}

func (l *lines) write(b []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	_, err := l.c.Write(append(b, '\n'))
	if err != nil {
		l.c.Close() // half a message may have gone out
	}
	return err
}

// Close ends the connection.
func (l *lines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return nil
	}
	l.over = true
	l.answered.Broadcast()
	return l.c.Close()
}
