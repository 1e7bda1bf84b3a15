//go:build machine

package egress

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// forms are the ways in which a value could be read by somebody who looks for it.
func forms(value string) map[string]string {
	quoted, _ := json.Marshal(value)
	out := map[string]string{
		"raw": value, "JSON": strings.Trim(string(quoted), `"`), "percent": url.QueryEscape(value), "path": url.PathEscape(value),
	}
	for i := range 3 { // what all of its places in base64 have in common
		pad := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", i) + value))
		out[fmt.Sprint("base64 at ", i)] = pad[4 : len(pad)-4]
		pad = base64.URLEncoding.EncodeToString([]byte(strings.Repeat("x", i) + value))
		out[fmt.Sprint("base64url at ", i)] = pad[4 : len(pad)-4]
	}
	return out
}

// reveals says which secrets a text tells, and how.
func reveals(text string) (out []string) {
	for name, value := range values {
		for form, s := range forms(value) {
			if strings.Contains(text, s) {
				out = append(out, name+" "+form)
			}
		}
	}
	return out
}

// E20, F1, F2, F3, F4: whatever a server tells of the credential that it got, the agent sees the placeholder.
func TestEGRE20Mirror(t *testing.T) {
	t.Parallel()
	secret(t, func(t *testing.T, a *agent) {
		for _, as := range []string{
			"none", "header", "cookie", "location", "interim", "error", "trailer", "chunks", "events", "base64", "base64url", "percent", "json", "long",
		} {
			for _, by := range []string{"--http2", "--http1.1"} {
				for secret, args := range map[string]string{
					"API_KEY": `-H "x-api-key: $API_KEY" 'https://key.test/mirror?as=` + as + `'`,
					"TOKEN":   `-H "Authorization: Bearer $TOKEN" 'https://token.test/mirror?as=` + as + `'`,
				} {
					out, _ := a.sh(order{Script: "curl -sS -i --raw " + by + " " + args + " | tr -d '\\0'"})
					if got := reveals(dechunked(out)); len(got) > 0 {
						t.Errorf("%s %s %s: the agent sees %v", secret, as, by, got)
					}
					if strings.Contains(out, "no credential") {
						t.Errorf("%s %s %s: nothing was put in: %.300s", secret, as, by, out)
					}
					if as == "none" && !strings.Contains(out, a.masked(secret)) {
						t.Errorf("%s %s %s: the agent does not see the placeholder: %s", secret, as, by, out)
					}
				}
			}
		}
		// gzip: the origin is asked for plain text; one that answers otherwise is refused.
		if out, exit := a.sh(order{Script: `curl -sS --compressed -o /dev/null -w '%{http_code}' -H "x-api-key: $API_KEY" 'https://key.test/mirror?as=gzip'`}); exit != 0 || !strings.Contains(out, "502") {
			t.Errorf("gzip: %s", out)
		}
		if got := a.got("key.test", "Accept-Encoding"); len(got) == 0 || strings.Contains(strings.Join(got, " "), "gzip") {
			t.Errorf("the origin was asked for %q", got)
		}
	})
}

// masked is what the agent sees in place of a value: the placeholder in the value's length, but for the letters at its
// ends, which could make a part of a value with what stands beside them.
func (a *agent) masked(secret string) string {
	place := a.placeholder(secret)
	return place[1 : min(len(place), len(values[secret]))-1]
}

// dechunked takes the marks of chunks out of what curl --raw shows, so that a value that stands in several is found.
func dechunked(s string) string {
	lines := strings.Split(s, "\r\n")
	var b strings.Builder
	for _, l := range lines {
		var n int
		if k, err := fmt.Sscanf(l, "%x", &n); k == 1 && err == nil && len(l) <= 6 {
			continue
		}
		b.WriteString(l)
	}
	return b.String()
}

// E20: a frame of a WebSocket.
func TestEGRE20WebSocket(t *testing.T) {
	t.Parallel()
	secret(t, func(t *testing.T, a *agent) {
		out, exit := a.sh(order{Script: program + ` mirror wss://token.test/mirror/ws`, Time: 30 * time.Second})
		if exit != 0 || !strings.Contains(out, "Bearer ") {
			t.Errorf("exit status %d: %s", exit, out)
		}
		if got := reveals(out); len(got) > 0 {
			t.Errorf("the agent sees %v in %q", got, out)
		}
		if !strings.Contains(out, a.masked("TOKEN")) {
			t.Errorf("the agent does not see the placeholder in %q", out)
		}
	})
}
