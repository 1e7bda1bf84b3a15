//go:build machine

package origins

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/websocket"
)

// web serves, whatever the host:
//
//	/            a line that names host, method and path
//	/echo        the body of the request
//	/bytes?n=    so many bytes
//	/drip?n=&ms= so many lines, one each so many milliseconds, as server-sent events
//	/status?code=
//	/to?url=     a redirect to there
//	/ws          a WebSocket that echoes
//	/mirror?as=  the credentials of the request, in many forms
//	/mirror/ws   the same by WebSocket
//
// All other paths are as /, and hosts have pages of their own.
func (b *book) web(hosts []Host) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "origin %s %s %s\n", r.Host, r.Method, r.URL.Path)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(number(r, "n")))
		_, _ = io.CopyN(w, zeros{}, int64(number(r, "n")))
	})
	mux.HandleFunc("/drip", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range number(r, "n") {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Duration(number(r, "ms")) * time.Millisecond)
		}
	})
	mux.HandleFunc("/status", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(number(r, "code")) })
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("url"), http.StatusTemporaryRedirect)
	})
	mux.Handle("/ws", websocket.Server{Handler: func(c *websocket.Conn) { _, _ = io.Copy(c, c) }})
	mux.HandleFunc("/mirror", mirror)
	mux.Handle("/mirror/ws", websocket.Server{Handler: mirrorFrames})
	own := map[string]http.Handler{}
	for _, h := range hosts {
		own[h.Name] = h.Handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := Request{
			Host: strings.ToLower(r.Host), Method: r.Method, Path: r.RequestURI, Protocol: r.Proto, TLS: r.TLS != nil,
			Header: r.Header.Clone(), Body: r.ContentLength,
		}
		if r.TLS != nil {
			seen.SNI = r.TLS.ServerName
		}
		b.requested(seen)
		if h := own[seen.Host]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func number(r *http.Request, key string) int {
	n, _ := strconv.Atoi(r.URL.Query().Get(key))
	return n
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
