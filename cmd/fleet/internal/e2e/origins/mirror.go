//go:build machine

package origins

import (
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/websocket"
)

// mirror serves /mirror?as=, which tells the client the credentials of its request: a server with a page for debugging,
// an error page that quotes, or one that is in league with the agent. Without credentials it says so.
func mirror(w http.ResponseWriter, r *http.Request) {
	got := strings.Join(credentials(r), " ")
	if got == "" {
		got = "no credential"
	}
	as := r.URL.Query().Get("as")
	h := w.Header()
	switch as {
	case "header":
		h.Set("X-Mirror", got)
	case "cookie":
		h.Set("Set-Cookie", "mirror="+strings.ReplaceAll(got, " ", "+"))
	case "location":
		h.Set("Location", "/mirror?as=none&got="+strings.ReplaceAll(got, " ", "+"))
		w.WriteHeader(http.StatusFound)
	case "interim":
		h.Set("Link", "<"+got+">; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
	case "error":
		w.WriteHeader(http.StatusInternalServerError)
	case "trailer":
		h.Set("Trailer", "X-Mirror")
		defer func() { h.Set("X-Mirror", got) }()
		w.WriteHeader(http.StatusOK)
		return
	case "gzip":
		h.Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, got)
		_ = z.Close()
		return
	case "chunks", "events":
		pieces(w, got, as)
		return
	}
	_, _ = io.WriteString(w, written(got, as))
}

// pieces sends every few bytes by themselves.
func pieces(w http.ResponseWriter, got, as string) {
	if as == "events" {
		w.Header().Set("Content-Type", "text/event-stream")
		got = "data: " + got + "\n\n"
	}
	for part := range slices.Chunk([]byte(got), 3) {
		_, _ = w.Write(part)
		_ = http.NewResponseController(w).Flush()
	}
}

// written is the text in another form.
func written(s, as string) string {
	switch as {
	case "base64":
		return base64.StdEncoding.EncodeToString([]byte("x" + s))
	case "base64url":
		return base64.RawURLEncoding.EncodeToString([]byte("xy" + s))
	case "percent":
		return url.QueryEscape(s)
	case "json":
		b, _ := json.Marshal(map[string]string{"got": s})
		return string(b)
	case "hex":
		return hex.EncodeToString([]byte(s))
	case "long":
		return strings.Repeat("-", 1<<20) + s + strings.Repeat("-", 1<<20)
	}
	return s
}

// credentials are the texts of a request that prove who asks.
func credentials(r *http.Request) (out []string) {
	for _, name := range []string{"X-Api-Key", "X-Other-Key", "Authorization", "Cookie", "Private-Token"} {
		out = append(out, r.Header.Values(name)...)
	}
	if user, password, ok := r.BasicAuth(); ok {
		out = append(out, user+":"+password)
	}
	for _, name := range []string{"key", "other"} {
		if v := r.URL.Query().Get(name); v != "" {
			out = append(out, v)
		}
	}
	return out
}

// mirrorFrames tells a WebSocket the credentials with which it was opened.
func mirrorFrames(c *websocket.Conn) {
	_, _ = io.WriteString(c, strings.Join(credentials(c.Request()), " "))
}
