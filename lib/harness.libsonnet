// The built-in harnesses: what fleet knows of each program that an agent can run. A spec adds its own under `harnesses`,
// or changes one of these there, with the same keys; `fleet explain harnesses.X` describes them.
//
// In `home` two more variables are filled in: {{home}}, the agent's home, and {{tail20 NAME}}, the last 20 characters of
// the agent's environment variable NAME.

// Claude Code 2.1.329, tried in the sandbox of an agent, as a terminal interface in tmux and headless. The npm package
// holds one program for each architecture; it is fetched and unpacked by an unprivileged user, none of its scripts run,
// and what root keeps is held against the digest of the published archive.
local claudeVersion = '2.1.329';
local claudeInstall = [
  '(umask 022',
  'v=' + claudeVersion,
  'case $(uname -m) in x86_64) a=x64 s=fa7e25bb5b9b600a74d98d17fcc0149f1c3dc98e921c767bec5f88a16f95d3056816e888f68a5d1fa8287e37f5e205c908460c4cda64b3b1a7d62f1765328058'
  + ';; aarch64) a=arm64 s=2221b9ba6153a120955aa075944b31c702312a0c4f5f26770d153dd79bfc278073e50dc9a6c94cd1ec359b9c9a4fe9455c13ef6319ac1208b45c8ebc5c7343d0;; esac',
  'u="setpriv --reuid=65534 --regid=65534 --clear-groups"',
  'd=/usr/local/lib/claude-code-$v',
  'mkdir -p "$d"',
  'cd "$d"',
  '$u sh -c \'export HOME="$(mktemp -d)"; cd "$HOME"; npm pack --silent --ignore-scripts "$1" >&2; cat ./*.tgz; rm -r "$HOME"\' - "@anthropic-ai/claude-code-linux-$a@$v" >p.tgz',
  'echo "$s  p.tgz" | sha512sum -c --quiet',
  '$u tar -xzO package/claude <p.tgz >new',
  'chmod 0555 new',
  'mv new claude',
  'rm p.tgz',
  'ln -sfn "$d/claude" /usr/local/bin/claude)',
];

{
  'claude-code': {
    program: 'claude',
    version: claudeVersion,
    install: std.join(' && ', claudeInstall),
    interactive: ['claude', '--', '{{prompt}}'],
    headless: ['claude', '--print', '--output-format', 'json', '--', '{{prompt}}'],
    resume: ['claude', '--continue', '--', '{{prompt}}'],
    options: { model: ['--model', '{{model}}'], effort: ['--effort', '{{effort}}'], mcp: ['--mcp-config', '{{mcp}}'] },
    efforts: ['low', 'medium', 'high', 'xhigh', 'max'],
    models: ['claude-*', 'default', 'fable*', 'haiku*', 'opus*', 'sonnet*'],
    env: {
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      CLAUDE_CODE_DISABLE_TERMINAL_TITLE: '1',
      DISABLE_AUTOUPDATER: '1',
      DISABLE_UPDATES: '1',
    },
    egress: ['api.anthropic.com'],
    settings: 'claude-code',
    settingsDir: '/etc/claude-code',
    // The answers to what it asks at its first start: theme and login, trust in the folder, use of the key.
    home: {
      '.claude.json': std.manifestJsonMinified({
        hasCompletedOnboarding: true,
        projects: { '{{home}}': { hasTrustDialogAccepted: true } },
        customApiKeyResponses: { approved: ['{{tail20 ANTHROPIC_API_KEY}}'], rejected: [] },
      }) + '\n',
    },
    result: 'claude-json',
    turnEnd: 'stop-hook',
  },

  // A small script that comes with fleet and behaves like an agent, so that everything can be tried without an account.
  demo: {
    interactive: ['demo', '--', '{{prompt}}'],
    headless: ['demo', '--headless', '--', '{{prompt}}'],
    options: { model: ['--model', '{{model}}'], effort: ['--effort', '{{effort}}'] },
    efforts: ['low', 'medium', 'high', 'xhigh', 'max'],
    instructions: 'INSTRUCTIONS.md',
    result: 'claude-json',
  },
}
