// The credentials that fleet knows by name: to which hosts they go, where in a request they stand, and what a client
// expects of them at first sight. A secret of such a name, or one that is `like` it, needs no more than its disposition.
local host(name) = { hosts: [name] };

{
  // Claude Code, by key or by the long-lived token of `claude setup-token`.
  ANTHROPIC_API_KEY: host('api.anthropic.com') {
    header: 'x-api-key',
    placeholder: { prefix: 'sk-ant-api03-', length: 108 },
  },
  CLAUDE_CODE_OAUTH_TOKEN: host('api.anthropic.com') {
    bearer: true,
    placeholder: { prefix: 'sk-ant-oat01-', length: 108 },
  },

  // Codex.
  OPENAI_API_KEY: host('api.openai.com') {
    bearer: true,
    placeholder: { prefix: 'sk-proj-', length: 164 },
  },
  CODEX_API_KEY: self.OPENAI_API_KEY,

  // Gemini: its own client sends a field, others a parameter.
  GEMINI_API_KEY: host('generativelanguage.googleapis.com') {
    header: 'x-goog-api-key',
    query: 'key',
    placeholder: { prefix: 'AIza', length: 39 },
  },
  GOOGLE_API_KEY: self.GEMINI_API_KEY,

  // GitHub: the API, gh, and git over HTTPS.
  GITHUB_TOKEN: {
    hosts: ['api.github.com', 'github.com', 'uploads.github.com'],
    bearer: true,
    basic: true,
    placeholder: { prefix: 'ghp_', length: 40 },
  },
  GH_TOKEN: self.GITHUB_TOKEN,

  GITLAB_TOKEN: host('gitlab.com') {
    header: 'private-token',
    bearer: true,
    basic: true,
    placeholder: { prefix: 'glpat-' },
  },

  // npm: a line such as //registry.npmjs.org/:_authToken=${NPM_TOKEN} in .npmrc makes it use the variable.
  NPM_TOKEN: host('registry.npmjs.org') {
    bearer: true,
    placeholder: { prefix: 'npm_', length: 40 },
  },

  // The access key ID belongs to the spec: sigv4: 'AKIA...'. The hosts too, such as s3.eu-central-1.amazonaws.com.
  AWS_SECRET_ACCESS_KEY: { placeholder: { length: 40 } },
}
