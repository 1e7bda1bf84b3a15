//go:build machine

package egress

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/activate/machine"
	"fleet/generate/model"
	"fleet/schemas/fleet"
)

// secretsText gives secrets to the agents of specText.
const secretsText = `{
  secrets: {
    API_KEY: { hosts: ['key.test'], header: 'x-api-key', query: 'key', agents: ['n1', 'u1'] },
    TOKEN: { hosts: ['token.test', 'private.test'], bearer: true, basic: true, paths: ['/ok/*', '/mirror', '/mirror/*', '/thing.git/*'], methods: ['GET', 'POST'], agents: ['n1', 'u1'] },
    SIGNED: { hosts: ['s3.test'], sigv4: 'AKIAIOSFODNN7EXAMPLE', agents: ['n1', 'u1'] },
    OTHERS: { hosts: ['key.test'], header: 'x-api-key', agents: ['n2', 'u2'] },
    NPM_TOKEN: { hosts: ['registry.test'], agents: ['n1', 'u1'] },
    ANTHROPIC_API_KEY: { agents: ['n1', 'u1'] },
    CLAUDE_CODE_OAUTH_TOKEN: { agents: ['n1', 'u1'] },
    GITHUB_TOKEN: { agents: ['n1', 'u1'] },
    IMAGES: { hosts: ['login.images.test'], basic: true, paths: ['/token'], methods: ['GET'], agents: ['n1', 'u1'] },
    OPEN: { disposition: 'expose', env: 'OPEN_VALUE', agents: ['n2', 'u2'] },
  },
  egress+: { allow+: ['key.test', 'token.test', 'private.test', 's3.test', 'api.github.com', 'github.com', 'uploads.github.com', 'images.test', 'login.images.test'] },
}`

// values are what the vault holds: by chance, so that this program, which the agents run too, does not have them. One has
// what must be written in another way in JSON, in a query and in base64.
var values = map[string]string{
	"API_KEY":                 `k "/+=` + rand.Text() + `\ & end`,
	"TOKEN":                   rand.Text() + "0123456789abcdef",
	"SIGNED":                  rand.Text() + "/" + rand.Text()[:13],
	"OTHERS":                  rand.Text(),
	"NPM_TOKEN":               "npm_" + rand.Text() + rand.Text()[:10],
	"ANTHROPIC_API_KEY":       "sk-ant-api03-" + rand.Text() + rand.Text() + rand.Text(),
	"OPEN":                    rand.Text(),
	"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-" + rand.Text() + rand.Text() + rand.Text(),
	"GITHUB_TOKEN":            "ghp_" + rand.Text() + rand.Text()[:10],
	"IMAGES":                  rand.Text(),
	"HELD":                    rand.Text(),
	"OWN":                     rand.Text(),
}

// secretHosts are the names of the hosts that get secrets.
var secretHosts = []string{"key.test", "token.test", "private.test", "s3.test", "api.github.com", "images.test", "login.images.test"}

// withSecrets makes a machine whose agents have secrets.
func withSecrets(t testing.TB, o machine.Options) *lab {
	l := begin(t, o)
	l.giveSecrets()
	return l
}

// giveSecrets switches a machine to agents that have secrets.
func (l *lab) giveSecrets() {
	l.net.Public(secretHosts...)
	b := l.Build(spec(secretsText, sidecarText))
	for name, value := range values {
		l.seal(name, value)
	}
	l.Switch(b, "--now")
}

// keep returns the machine of agents with secrets. Where machines are limited to one it is that of the others.
func keep(t *testing.T) *lab {
	t.Helper()
	if !oneMachine() {
		return sealed.take(t)
	}
	l := steady.take(t)
	l.giveSecrets()
	steady.changed = true
	return l
}

// seal puts a value into the machine's vault.
func (l *lab) seal(name, value string) {
	l.t.Helper()
	l.M.WriteFile("/root/value", value, 0o600)
	l.Sh("fleet secret set " + name + " --project demo --from-file /root/value; shred -u /root/value")
}

// secret runs a test for one agent of each kind of isolation that has secrets.
func secret(t *testing.T, f func(t *testing.T, a *agent)) {
	t.Helper()
	l := keep(t)
	for _, key := range both {
		t.Run(key+"-"+isolation[key], func(t *testing.T) { f(t, l.agent(t, key)) })
	}
}

// placeholder is what the agent has for a secret.
func (a *agent) placeholder(name string) string {
	form := fleet.Placeholder{}
	switch name {
	case "NPM_TOKEN":
		form = fleet.Placeholder{Prefix: "npm_", Length: 40}
	case "GITHUB_TOKEN":
		form = fleet.Placeholder{Prefix: "ghp_", Length: 40}
	case "CLAUDE_CODE_OAUTH_TOKEN":
		form = fleet.Placeholder{Prefix: "sk-ant-oat01-", Length: 108}
	case "ANTHROPIC_API_KEY":
		form = fleet.Placeholder{Prefix: "sk-ant-api03-", Length: 108}
	}
	return model.Placeholder("demo", a.key, name, form)
}

// got returns what of a request's header fields the origin saw at a host, each with its values.
func (a *agent) got(host, field string) []string {
	var out []string
	for _, r := range a.net.Seen().Requested(host) {
		out = append(out, r.Header[field]...)
	}
	return out
}

// E19: the value is put in where the spec says. The agent has the placeholder in its environment.
func TestEGRE19Injected(t *testing.T) {
	t.Parallel()
	secret(t, func(t *testing.T, a *agent) {
		basic := func(user, password string) string {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
		}
		for _, c := range []struct{ name, script, host, field, want string }{
			{"header", `curl -sSf -H "x-api-key: $API_KEY" https://key.test/x`, "key.test", "X-Api-Key", values["API_KEY"]},
			{"header by HTTP/1.1", `curl -sSf --http1.1 -H "x-api-key: $API_KEY" https://key.test/x`, "key.test", "X-Api-Key", values["API_KEY"]},
			{"bearer", `curl -sSf -H "Authorization: Bearer $TOKEN" https://token.test/ok/x`, "token.test", "Authorization", "Bearer " + values["TOKEN"]},
			{"token", `curl -sSf -H "Authorization: token $TOKEN" https://token.test/ok/x`, "token.test", "Authorization", "token " + values["TOKEN"]},
			{"basic", `curl -sSf -u "some:$TOKEN" https://token.test/ok/x`, "token.test", "Authorization", basic("some", values["TOKEN"])},
			{"transparent", `curl -sSf --noproxy '*' -H "x-api-key: $API_KEY" https://key.test/x`, "key.test", "X-Api-Key", values["API_KEY"]},
			{"POST with a body", `curl -sSf -d a=b -H "x-api-key: $API_KEY" https://key.test/echo`, "key.test", "X-Api-Key", values["API_KEY"]},
		} {
			a.net.Forget()
			if out, exit := a.sh(order{Script: c.script}); exit != 0 {
				t.Errorf("%s: %s", c.name, out)
			}
			if got := a.got(c.host, c.field); !slices.Equal(got, []string{c.want}) {
				t.Errorf("%s: the origin saw %s %q", c.name, c.field, got)
			}
		}
		a.net.Forget()
		a.must(order{Script: `curl -sSf -G --data-urlencode "key=$API_KEY" --data-urlencode "other=a b" https://key.test/x`}, "origin key.test")
		r := a.net.Seen().Requested("key.test")
		if len(r) != 1 {
			t.Fatalf("the origin saw %+v", r)
		}
		if u, err := url.ParseRequestURI(r[0].Path); err != nil || u.Query().Get("key") != values["API_KEY"] || u.Query().Get("other") != "a b" {
			t.Errorf("the origin saw %q", r[0].Path)
		}
	})
}

// E19, F7, F8, F9, F10, F11, F19: a placeholder anywhere else is refused, nothing of the request goes out, and it is told.
func TestEGRE19Elsewhere(t *testing.T) {
	t.Parallel()
	secret(t, func(t *testing.T, a *agent) {
		curl := func(args string) func(*agent) error {
			return func(a *agent) error {
				out, exit := a.sh(order{Script: "curl -sSf " + args})
				if exit == 0 {
					return nil
				}
				return fmt.Errorf("curl: exit status %d: %s", exit, out)
			}
		}
		var group []attempt
		for name, args := range map[string]string{
			"another field":              `-H "x-other-key: $API_KEY" https://key.test/x`,
			"Authorization":              `-H "Authorization: Bearer $API_KEY" https://key.test/x`,
			"another host":               `-H "x-api-key: $API_KEY" https://token.test/ok/x`,
			"a host without secrets":     `-H "x-api-key: $API_KEY" https://api.test/v1/x`,
			"the secret of another host": `-H "Authorization: Bearer $API_KEY" https://token.test/ok/x`,
			"plain HTTP":                 `-H "x-api-key: $API_KEY" http://key.test/x`,
			"plain HTTP elsewhere":       `-H "x-api-key: $API_KEY" http://web.test/x`,
			"the path":                   `"https://key.test/x/$API_KEY"`,
			"another parameter":          `"https://key.test/x?other=$API_KEY"`,
			"a longer token":             `-H "x-api-key: x$API_KEY" https://key.test/x`,
			"a list":                     `-H "x-api-key: $API_KEY, $API_KEY" https://key.test/x`,
			"a cookie":                   `-b "s=$API_KEY" https://key.test/x`,
			"User-Agent":                 `-A "$API_KEY" https://key.test/x`,
			"Referer":                    `-e "https://x.test/$API_KEY" https://key.test/x`,
			"X-Request-Id":               `-H "X-Request-Id: $API_KEY" https://key.test/x`,
			"the user's name":            `-u "$TOKEN:x" https://token.test/ok/x`,
			"the password of another":    `-u "x:$API_KEY" https://token.test/ok/x`,
			"another path":               `-H "Authorization: Bearer $TOKEN" https://token.test/other`,
			"another method":             `-X DELETE -H "Authorization: Bearer $TOKEN" https://token.test/ok/x`,
			"a body":                     `-d "key=$API_KEY" https://key.test/echo`,
			"a body to another host":     `-d "key=$API_KEY" https://api.test/v1/echo`,
			"a JSON body":                `-H 'Content-Type: application/json' -d "{\"key\":\"$API_KEY\"}" https://key.test/echo`,
			"a multipart body":           `-F "key=$API_KEY" https://key.test/echo`,
			"a chunked body":             `-H 'Transfer-Encoding: chunked' -d "key=$API_KEY" https://key.test/echo`,
			"a body by HTTP/1.1":         `--http1.1 -d "key=$API_KEY" https://key.test/echo`,
			"percent-encoded":            `"https://key.test/x?other=%66leet-placeholder-API_KEY-${API_KEY##*-}"`,
		} {
			group = append(group, attempt{name: name, do: curl(args), reason: "placeholder"})
		}
		a.blocked(group)
	})
}

// A large body is held back from where a placeholder begins: the origin gets an unfinished request without it.
func TestCATF11LargeBody(t *testing.T) {
	t.Parallel()
	secret(t, func(t *testing.T, a *agent) {
		out, exit := a.sh(order{Script: `(head -c 3000000 /dev/zero; printf %s "$API_KEY"; head -c 1000 /dev/zero) | curl -sSf -T - https://key.test/echo`})
		if exit == 0 {
			t.Errorf("it got through: %.300s", out)
		}
		a.audited("the end of the upload", func(e entry) bool { return e.Ended() && e.Result == "placeholder" })
	})
}

// J3: an agent's own credentials do not reach a host for which its gate has one.
func TestCATJ3PlantedKey(t *testing.T) {
	t.Parallel()
	secret(t, func(t *testing.T, a *agent) {
		a.net.Forget()
		a.must(order{Script: `curl -sSf -H 'Authorization: Bearer planted' -H 'x-api-key: planted' -H 'Private-Token: planted' -b 's=planted' 'https://key.test/x?key=planted'`}, "origin key.test")
		for _, r := range a.net.Seen().Requested("key.test") {
			if text := fmt.Sprint(r.Header, r.Path); strings.Contains(text, "planted") {
				t.Errorf("the origin saw %s", text)
			}
		}
		a.must(order{Script: `curl -sSf -H 'Authorization: Bearer own' https://api.test/v1/x`}, "origin api.test") // no secret goes there
		if got := a.got("api.test", "Authorization"); !slices.Equal(got, []string{"Bearer own"}) {
			t.Errorf("a host without secrets saw %q", got)
		}
	})
}

// F20: a rotation while requests run. The agent goes on, the new value goes out, and neither comes back to the agent.
func TestCATF20Rotation(t *testing.T) {
	t.Parallel()
	secret(t, func(t *testing.T, a *agent) {
		pid, old := a.pid(), values["TOKEN"]
		c, _, err := a.give(order{Op: "none"})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		done := make(chan string, 1)
		go func() {
			out, _ := a.sh(order{Script: `for i in $(seq 40); do curl -sS -m 20 -o /dev/null -w '%{http_code}\n' --retry 3 --retry-all-errors ` +
				`-H "Authorization: Bearer $TOKEN" https://token.test/ok/x; done | sort | uniq -c`, Time: 2 * time.Minute})
			done <- out
		}()
		values["TOKEN"] = rand.Text() + "rotated"
		a.M.WriteFile("/root/value", values["TOKEN"], 0o600)
		out := a.Sh("fleet secret rotate TOKEN --project demo --from-file /root/value; shred -u /root/value")
		if !strings.Contains(out, "fleet-demo-"+a.key+"-gate.service") {
			t.Errorf("it does not say what was restarted: %s", out)
		}
		if out := <-done; strings.TrimSpace(out) != "40 200" {
			t.Errorf("requests in the meantime: %s", out)
		}
		a.net.Forget()
		a.must(order{Script: `curl -sSf -H "Authorization: Bearer $TOKEN" https://token.test/ok/x`}, "origin token.test")
		if got := a.got("token.test", "Authorization"); !slices.Equal(got, []string{"Bearer " + values["TOKEN"]}) {
			t.Errorf("the origin saw %q", got)
		}
		answer, _ := a.sh(order{Script: `curl -sS -H "Authorization: Bearer $TOKEN" 'https://token.test/mirror?as=none&other=` + old + `'`})
		if strings.Contains(answer, old) || strings.Contains(answer, values["TOKEN"]) {
			t.Errorf("the agent sees %s", answer)
		}
		if now := a.pid(); now != pid {
			t.Errorf("the agent's process was %s and is %s", pid, now)
		}
	})
}

// What becomes absent is gone from the host, and what needs it again says so before anything changes.
func TestSecretAbsent(t *testing.T) {
	t.Parallel()
	l := churn(t)
	l.net.Public(secretHosts...)
	const keyOnly = `{ secrets: { API_KEY: { hosts: ['key.test'], header: 'x-api-key', agents: ['n1'] } }, egress+: { allow+: ['key.test'] } }`
	with, without := l.Build(spec(keyOnly)), l.Build(spec(keyOnly, `{ secrets: { API_KEY: { disposition: 'absent' } } }`))
	if _, exit := l.Try("fleet", "switch", "--no-confirm", with+"/"); exit != 3 {
		t.Errorf("a switch without the value: exit status %d", exit)
	}
	if out, _ := l.Try("fleet", "switch", "--no-confirm", with+"/"); !strings.Contains(out, "sudo fleet secret set API_KEY") {
		t.Errorf("it does not say what to do: %s", out)
	}
	l.seal("API_KEY", values["API_KEY"])
	l.Switch(with)
	l.Switch(without)
	if out, exit := l.Try("ls", "/var/lib/fleet/demo/secrets/API_KEY"); exit == 0 {
		t.Errorf("its value is still there: %s", out)
	}
	if out, exit := l.Try("fleet", "rollback"); exit != 3 || !strings.Contains(out, "sudo fleet secret set API_KEY") {
		t.Errorf("exit status %d: %s", exit, out)
	}
	a := l.agent(t, "n1")
	if out, exit := a.sh(order{Script: `curl -sSf -H "x-api-key: ${API_KEY:-none}" https://key.test/x`}); exit != 0 || len(a.got("key.test", "X-Api-Key")) != 1 {
		t.Errorf("the host is out of reach: %s", out)
	}
}
