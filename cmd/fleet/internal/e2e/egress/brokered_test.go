//go:build machine

package egress

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"fleet/cmd/fleet/internal/e2e"
)

// brokeredClients are real programs that find the placeholder where they look for their credential, and what the origin
// must have seen of them.
var brokeredClients = []struct{ name, script, want, host, field, secret, form string }{
	{"curl", `curl -sSf -H "x-api-key: $API_KEY" https://key.test/c`, "origin key.test", "key.test", "X-Api-Key", "API_KEY", ""},
	{"node", `node -e "fetch('https://key.test/n', {headers: {'x-api-key': process.env.API_KEY}}).then(r => r.text()).then(console.log)"`, "origin key.test", "key.test", "X-Api-Key", "API_KEY", ""},
	{
		"claude with a key", "env -u CLAUDE_CODE_OAUTH_TOKEN claude --print -- 'Say something.'",
		"The stand-in has done its part.", "api.anthropic.com", "X-Api-Key", "ANTHROPIC_API_KEY", "",
	},
	{
		"claude with a long-lived token", "env -u ANTHROPIC_API_KEY claude --print -- 'Say something.'",
		"The stand-in has done its part.", "api.anthropic.com", "Authorization", "CLAUDE_CODE_OAUTH_TOKEN", "Bearer ",
	},
	{"git", "rm -rf b && git clone -q https://private.test/thing.git b && cat b/README", "hello", "private.test", "Authorization", "TOKEN", "basic"},
	{
		"git push", "cd b && git checkout -q -b by-$FLEET_AGENT-$$ && echo $$ >f && git add f && " +
			"git -c user.name=a -c user.email=a@localhost commit -qm f && git push -q origin HEAD && echo pushed", "pushed", "private.test", "Authorization", "TOKEN", "basic",
	},
	{"gh", "gh api user --jq .login", "atlas", "api.github.com", "Authorization", "GITHUB_TOKEN", "token "},
	{
		"npm", `rm -rf n && mkdir n && cd n && echo '//registry.test/:_authToken=${NPM_TOKEN}' >.npmrc && ` +
			"npm --registry https://registry.test/ install --no-audit --no-fund --silent thing && node -p \"require('thing')\"",
		"a thing", "registry.test", "Authorization", "NPM_TOKEN", "Bearer ",
	},
	{
		"skopeo", `printf '{"auths":{"images.test":{"auth":"%s"}}}' "$(printf 'x-access-token:%s' "$IMAGES" | base64 -w0)" >auth.json && ` +
			"rm -rf i && skopeo --insecure-policy copy -q --authfile auth.json docker://images.test/thing:1 dir:i && ls i",
		"manifest.json", "login.images.test", "Authorization", "IMAGES", "basic",
	},
}

// Clients that nobody has changed work with a credential that their agent does not have.
func TestBrokeredClients(t *testing.T) {
	t.Parallel()
	secret(t, func(t *testing.T, a *agent) {
		for _, c := range brokeredClients {
			a.net.Forget()
			a.must(order{Script: "cd; " + c.script, Time: 90 * time.Second}, c.want)
			want := c.form + values[c.secret]
			if c.form == "basic" {
				want = "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+values[c.secret]))
			}
			if got := a.got(c.host, c.field); !slices.Contains(got, want) {
				t.Errorf("%s: %s saw %s %q", c.name, c.host, c.field, got)
			}
		}
	})
}

// A request that is signed with the placeholder arrives signed with the key.
func TestBrokeredSignature(t *testing.T) {
	t.Parallel()
	keys := aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: values["SIGNED"]}
	secret(t, func(t *testing.T, a *agent) {
		for script, body := range map[string]string{
			`https://s3.test/bucket/a%20b?list-type=2&prefix=x`:                              "",
			`-X PUT -d 'some text' -H 'Content-Type: text/plain' https://s3.test/bucket/put`: "some text",
		} {
			a.net.Forget()
			a.must(order{Script: `curl -sSf --aws-sigv4 aws:amz:eu-central-1:s3 --user "$AWS_ACCESS_KEY_ID:$SIGNED" ` + strings.Replace(script, "https:", "'https:", 1) + "'"}, "origin s3.test")
			seen := a.net.Seen().Requested("s3.test")
			if len(seen) != 1 {
				t.Fatalf("the origin saw %+v", seen)
			}
			head := http.Header(seen[0].Header)
			if got, want := head.Get("Authorization"), e2e.Signature(t, keys, seen[0].Method, "https://s3.test"+seen[0].Path, head, body); got != want {
				t.Errorf("%s: the origin saw %s\nwant %s", script, got, want)
			}
		}
		a.blocked([]attempt{{name: "a presigned address", reason: "not-signed|placeholder", do: func(a *agent) error {
			out, exit := a.sh(order{Script: `curl -sSf "https://s3.test/x?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=$AWS_ACCESS_KEY_ID/20260101/eu-central-1/s3/aws4_request&X-Amz-Signature=00"`})
			if exit == 0 {
				return nil
			}
			return &refused{reason: out}
		}}})
	})
}
