//go:build machine

package harness

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"fleet/cmd/fleet/internal/e2e"
	"fleet/cmd/fleet/internal/e2e/origins"
	"fleet/cmd/fleet/internal/standin"
	"fleet/schemas/session"
)

// Hosts of providers in these tests, and the ID of the key that signs.
const (
	bedrockHost = "bedrock-runtime.eu-central-1.amazonaws.com"
	mantleHost  = "bedrock-mantle.eu-central-1.api.aws"
	vertexHost  = "europe-west1-aiplatform.googleapis.com"
	keyHost     = "europe-west4-aiplatform.googleapis.com"
	signingKey  = "AKIAIOSFODNN7EXAMPLE"
)

// providersText are providers of each kind with their secrets.
const providersText = `{
  secrets: {
    AWS_SECRET_ACCESS_KEY: { hosts: ['` + bedrockHost + `', '` + mantleHost + `'], sigv4: '` + signingKey + `' },
    BEDROCK_KEY: { hosts: ['bedrock-runtime.us-east-1.amazonaws.com'], bearer: true },
    VERTEX_TOKEN: { hosts: ['` + vertexHost + `'], bearer: true },
    VERTEX_KEY: { hosts: ['` + keyHost + `'], header: 'x-goog-api-key', like: 'GEMINI_API_KEY' },
    COMPANY_TOKEN: { hosts: ['*.company.test'], bearer: true },
    COMPANY_KEY: { hosts: ['claude.company.test'], header: 'x-api-key' },
  },
  providers: {
    aws: { kind: 'bedrock', region: 'eu-central-1', secret: 'AWS_SECRET_ACCESS_KEY', models: { sonnet: 'eu.anthropic.claude-sonnet-4-6-v1:0' } },
    awskey: { kind: 'bedrock', region: 'us-east-1', secret: 'BEDROCK_KEY' },
    vertex: { kind: 'vertex', region: 'europe-west1', project: 'my-project', secret: 'VERTEX_TOKEN' },
    vertexkey: { kind: 'vertex', region: 'europe-west4', secret: 'VERTEX_KEY' },
    openai: { kind: 'openai', url: 'https://openai.company.test/v1', secret: 'COMPANY_TOKEN' },
    token: { kind: 'anthropic', url: 'https://claude.company.test', secret: 'COMPANY_TOKEN' },
    key: { kind: 'anthropic', url: 'https://claude.company.test', secret: 'COMPANY_KEY' },
    ollama: { kind: 'ollama', url: 'http://ollama.company.test', private: true },
  },
  defaults+: { mode: 'headless', prompt: 'run: touch made-by-agent; id -un' },
}`

// providerCases are what an agent asks, and what its provider sees: a path, a key and a model.
var providerCases = []struct{ harness, provider, model, host, path, secret, sees string }{
	{"claude-code", "key", "claude-sonnet-4-6", "claude.company.test", "/v1/messages", "COMPANY_KEY", "claude-sonnet-4-6"},
	{"claude-code", "token", "claude-sonnet-4-6", "claude.company.test", "/v1/messages", "COMPANY_TOKEN", "claude-sonnet-4-6"},
	{"claude-code", "aws", "sonnet", bedrockHost, "/model/", "AWS_SECRET_ACCESS_KEY", "eu.anthropic.claude-sonnet-4-6-v1:0"},
	{"claude-code", "awskey", "us.anthropic.claude-x", "bedrock-runtime.us-east-1.amazonaws.com", "/model/", "BEDROCK_KEY", "us.anthropic.claude-x"},
	{"claude-code", "vertex", "claude-sonnet-4-6", vertexHost, "/v1/projects/my-project/locations/europe-west1/", "VERTEX_TOKEN", "claude-sonnet-4-6"},
	{"claude-code", "ollama", "qwen3-coder", "ollama.company.test", "/v1/messages", "", "qwen3-coder"},
	{"codex", "openai", "glm-5", "openai.company.test", "/v1/responses", "COMPANY_TOKEN", "glm-5"},
	{"codex", "aws", "openai.gpt-5.5", mantleHost, "/", "AWS_SECRET_ACCESS_KEY", "openai.gpt-5.5"},
	{"codex", "ollama", "gpt-oss:120b", "ollama.company.test", "/v1/responses", "", "gpt-oss:120b"},
	{"gemini", "vertexkey", "gemini-2.5-pro", keyHost, "/v1beta1/publishers/google/models/", "VERTEX_KEY", "gemini-2.5-pro"},
	{"opencode", "openai", "glm-5", "openai.company.test", "/v1/chat/completions", "COMPANY_TOKEN", "glm-5"},
	{"opencode", "key", "claude-sonnet-4-6", "claude.company.test", "/v1/messages", "COMPANY_KEY", "claude-sonnet-4-6"},
	{"opencode", "token", "claude-sonnet-4-6", "claude.company.test", "/v1/messages", "COMPANY_TOKEN", "claude-sonnet-4-6"},
	{"opencode", "aws", "sonnet", bedrockHost, "/model/", "AWS_SECRET_ACCESS_KEY", "eu.anthropic.claude-sonnet-4-6-v1:0"},
	{"opencode", "vertexkey", "gemini-2.5-pro", keyHost, "/v1/publishers/google/models/", "VERTEX_KEY", "gemini-2.5-pro"},
	{"opencode", "ollama", "qwen3-coder", "ollama.company.test", "/v1/chat/completions", "", "qwen3-coder"},
}

// A harness asks each kind of provider that it can: at its address, for its model, with its key or signed by it.
func TestProviders(t *testing.T) {
	t.Parallel()
	harnesses := []string{"claude-code", "codex", "gemini", "opencode"}
	l := newLab(t, harnesses...)
	l.net.Names(map[string]origins.Answer{"ollama.company.test": {Addresses: []string{"10.1.2.3"}}})
	for _, name := range harnesses {
		t.Run(name, func(t *testing.T) {
			l := l.on(t)
			agents, keys := "", map[int]string{}
			for i, c := range providerCases {
				if c.harness == name {
					keys[i] = fmt.Sprintf("%s%d", name[:2], i)
					agents += fmt.Sprintf("%s: { harness: '%s', provider: '%s', model: '%s' }, ", keys[i], name, c.provider, c.model)
				}
			}
			l.run(providersText + " + { agents: { " + agents + "} }")
			for i, key := range keys {
				c := providerCases[i]
				l.asked(key, c.host, c.path, c.secret, c.sees)
			}
		})
	}
}

// asked wants a good first session of an agent, whose provider has seen its key and its model.
func (l *lab) asked(key, host, path, secret, model string) {
	l.t.Helper()
	r := l.record(key, 1)
	if r.Result != session.OK || r.TokensIn < 2*standin.InputTokens {
		l.t.Errorf("%s at %s: %+v\n%s", key, host, r, l.transcript(key, 1))
	}
	if _, exit := l.Try("stat", "/home/demo-"+key+"/work/made-by-agent"); exit != 0 {
		l.t.Errorf("%s at %s: its tool made nothing\n%s", key, host, l.transcript(key, 1))
	}
	l.saw(key+" at "+host, func(r standin.Request) bool {
		return r.Host == host && strings.HasPrefix(r.Path, path) && r.Model == model && (r.Key == values[secret] || l.isSigned(r, secret) || secret == "" && r.Key == "none")
	})
}

// isSigned says whether a request is signed with a secret, as Amazon's own library does.
func (l *lab) isSigned(r standin.Request, secret string) bool {
	l.t.Helper()
	if secret != "AWS_SECRET_ACCESS_KEY" || !strings.HasPrefix(r.Key, "AWS4-HMAC-SHA256 ") {
		return false
	}
	seen := l.net.Seen().Requested(r.Host)
	i := slices.IndexFunc(seen, func(s origins.Request) bool { return http.Header(s.Header).Get("Authorization") == r.Key })
	if i < 0 {
		return false
	}
	keys := aws.Credentials{AccessKeyID: signingKey, SecretAccessKey: values[secret]}
	want := e2e.Signature(l.t, keys, seen[i].Method, "https://"+r.Host+seen[i].Path, seen[i].Header, r.Body)
	if want != r.Key {
		l.t.Errorf("signed %s\nwant %s", r.Key, want)
	}
	return want == r.Key
}
