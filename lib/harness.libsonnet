// The built-in harnesses: what fleet knows of each program that an agent can run. A spec adds its own under `harnesses`,
// or changes one of these there, with the same keys; `fleet explain harnesses.X` describes them.
//
// In `home` three variables are filled in: {{home}}, the agent's home, {{env NAME}}, its environment variable NAME, and
// {{tail20 NAME}}, the last 20 characters of that.

// How the programs of npm packages get to a host: fetched and unpacked by an unprivileged user, none of their scripts run,
// and what root keeps is held against the digest of the published archive. x64 and arm64 are the digests by architecture;
// in steps $v is the version, $a the architecture as npm calls it, $s the archive's digest, and fetch PACKAGE leaves the
// archive as p.tgz.
local recipe(folder, program, version, x64, arm64, steps) = std.join(' && ', [
  '(umask 022',
  'v=' + version,
  'case $(uname -m) in x86_64) a=x64 ' + x64 + ';; aarch64) a=arm64 ' + arm64 + ';; esac',
  'u="setpriv --reuid=65534 --regid=65534 --clear-groups"',
  'd=/usr/local/lib/' + folder + '-$v',
  'mkdir -p "$d"',
  'cd "$d"',
] + steps + [
  'rm p.tgz',
  'ln -sfn "$d/' + program + '" /usr/local/bin/)',
]);
local fetch(package, sum='$s') = [
  '$u sh -c \'export HOME="$(mktemp -d)"; cd "$HOME"; npm pack --silent --ignore-scripts "$1" >&2; cat ./*.tgz; rm -r "$HOME"\' - "' + package + '" >p.tgz',
  'echo "' + sum + '  p.tgz" | sha512sum -c --quiet',
];

// Claude Code 2.1.329, tried in the sandbox of an agent, as a terminal interface in tmux and headless. The npm package
// holds one program for each architecture.
local claudeVersion = '2.1.329';
local claudeInstall = recipe(
  'claude-code',
  'claude',
  claudeVersion,
  's=fa7e25bb5b9b600a74d98d17fcc0149f1c3dc98e921c767bec5f88a16f95d3056816e888f68a5d1fa8287e37f5e205c908460c4cda64b3b1a7d62f1765328058',
  's=2221b9ba6153a120955aa075944b31c702312a0c4f5f26770d153dd79bfc278073e50dc9a6c94cd1ec359b9c9a4fe9455c13ef6319ac1208b45c8ebc5c7343d0',
  fetch('@anthropic-ai/claude-code-linux-$a@$v') + ['$u tar -xzO package/claude <p.tgz >new', 'chmod 0555 new', 'mv new claude']
);

// Codex 0.169.0. Beside the program lies the one that runs the model's scripts, and ripgrep.
local codexVersion = '0.169.0';
local codexInstall = recipe(
  'codex',
  'bin/codex',
  codexVersion,
  't=x86_64 s=a34e4dc803820f28123d1a35ca29f3c6f91149d9ac672043f44ee66e99a345a9d27ccf25ca9a96b50804a385df364c21b82476685bbc9a518eb101855d56d5c3',
  't=aarch64 s=359fc36905297109b19aa79eed9f6e0b5af3c371a149ba286b071a4ded4b379624f969629d42867535c98029514fff6881010433d4d6c58cefc4f7e3e46ff116',
  fetch('@openai/codex@$v-linux-$a') + [
    'm=package/vendor/$t-unknown-linux-musl',
    'tar -xzf p.tgz --no-same-owner --no-same-permissions --strip-components=3 "$m/bin" "$m/codex-path" "$m/codex-package.json"',
  ]
);

// Gemini CLI 0.61.0 needs Node 20, and Debian 12 has 18: it gets a Node of its own, from the npm package of that name.
local geminiVersion = '0.61.0';
local geminiInstall = recipe(
  'gemini-cli',
  'gemini',
  geminiVersion,
  's=a879f3e6d16c1e88ff58cfae4443558d638d8b9855be6c2b82af00e15efa2a9b95340738fa3c0af31e20c1ba1b13d06d1cd83f00a476e7cdde628acb17f73b9e',
  's=9770c01d9adeca5a3ea7d4170edb0eae31b625726a5736179c01a621034e50d01170ca694ced9c99ec1540ffb7ead8c99d213e773a4c36d816f9cde8883bd7b4',
  fetch('node-linux-$a@22.23.3') + ['$u tar -xzO package/bin/node <p.tgz >new', 'chmod 0555 new', 'mv new node']
  + fetch('@google/gemini-cli@$v', '75b43d034a81b4524d8ba5c1907bdf67a033a67e8f3601ff3fc876319ebb44b957f21480563ba9dfd0915aa751c59bfb61722e86b15acadafccb48ca9e4a319d')
  + [
    'tar -xzf p.tgz --no-same-owner --no-same-permissions --strip-components=1 package',
    'printf \'#!/bin/sh\\nexec %s/node %s/bundle/gemini.js "$@"\\n\' "$d" "$d" >new',
    'chmod 0555 new',
    'mv new gemini',
  ]
);

// OpenCode 1.18.18, the program for every x86-64 processor. Later ones are not published for arm64.
local opencodeVersion = '1.18.18';
local opencodeInstall = recipe(
  'opencode',
  'opencode',
  opencodeVersion,
  'b=-baseline s=e86bc56ab84fd290e25dc13d02ef0f5a8a9bf7e64b04818aae1671795026389a7f809f252cbd449e8f0ed6aa6a45bd4a8ce7ce68e0fbd631eef7135aaa68c4b7',
  'b= s=7bc0f7834a89108cdac04836fb2816def9198c060bdacb32031e066e2863c17c1916f959672e734565b3773e4a2c1a07493974141ef7bcdb6735e5ce3721e955',
  fetch('opencode-linux-$a$b@$v') + ['$u tar -xzO package/bin/opencode <p.tgz >new', 'chmod 0555 new', 'mv new opencode']
);

// Hooks in the form that Claude Code, Codex and Gemini share: an event and the command that it runs. Claude Code and
// Codex count the timeout in seconds, Gemini in milliseconds; it is far more than any of the commands needs.
local hooks(commands, timeout) = {
  [event]: [{ hooks: [{ type: 'command', command: commands[event], timeout: timeout }] }]
  for event in std.objectFields(commands)
};

// Tokens and cost as Claude Code prints them, in the last line of its output.
local claudeResult = {
  line: '"type":"result"',
  input: ['input_tokens', 'cache_creation_input_tokens', 'cache_read_input_tokens'],
  output: ['output_tokens'],
  cost: ['total_cost_usd'],
};
local claudeMessage = { line: claudeResult.line, key: 'result' };
local claudeSession = { line: claudeResult.line, key: 'session_id' };

// Claude Code's names for the models that it chooses by itself, as a provider calls them.
local claudeModels(of) = {
  ANTHROPIC_DEFAULT_OPUS_MODEL: of('opus'),
  ANTHROPIC_DEFAULT_SONNET_MODEL: of('sonnet'),
  ANTHROPIC_DEFAULT_HAIKU_MODEL: of('haiku'),
};
local named(name) = '{{provider.models.' + name + '}}';

// What AWS's own libraries read: a key that signs, by Signature Version 4, or a long-lived API key.
local aws = {
  AWS_REGION: '{{provider.region}}',
  AWS_ACCESS_KEY_ID: '{{provider.keyId}}',
  AWS_SECRET_ACCESS_KEY: '{{provider.sigv4}}',
  AWS_BEARER_TOKEN_BEDROCK: '{{provider.bearer}}',
};

// Codex asks every server that has OpenAI's Responses API.
local codexProvider(url) = {
  env: { PROVIDER_API_KEY: '{{provider.bearer}}' },
  settings: {
    'managed_config.toml': {
      model_provider: 'fleet',
      model_providers: { fleet: { name: 'fleet', base_url: url, env_key: 'PROVIDER_API_KEY', wire_api: 'responses' } },
    },
  },
};

// OpenCode asks by a library of its own for each kind; all come with it.
local opencodeProvider(library, options) = {
  model: 'fleet/{{model}}',
  settings: {
    'opencode.json': {
      enabled_providers: ['fleet'],
      provider: { fleet: { npm: library, name: 'fleet', options: options, models: { '{{model}}': {} } } },
    },
  },
};

// How Anthropic's API tells that a key has used up what its owner lets it use: "You have reached your specified API usage
// limits. You will regain access on 2026-12-01 at 00:00 UTC."
local keyLimit = 'API usage limits[.] You will regain access on ([0-9]{4}-[0-9]{2}-[0-9]{2} at [0-9]{2}:[0-9]{2} UTC)';

{
  'claude-code': {
    program: 'claude',
    version: claudeVersion,
    install: claudeInstall,
    interactive: ['claude', '--', '{{prompt}}'],
    headless: ['claude', '--print', '--output-format', 'json', '--', '{{prompt}}'],
    resume: ['claude', '--continue', '--', '{{prompt}}'],
    resumeTalk: ['claude', '--print', '--output-format', 'json', '--resume', '{{session}}', '--', '{{prompt}}'],
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
    // code.claude.com/docs/en/settings describes the keys.
    settingsDir: '/etc/claude-code',
    settings: {
      'managed-settings.json': {
        permissions: {
          defaultMode: '{{permissions.mode}}',
          allow: '{{permissions.allow}}',
          ask: '{{permissions.ask}}',
          deny: '{{permissions.deny}}',
        },
        skipDangerousModePermissionPrompt: true,
        allowManagedHooksOnly: true,
        allowManagedPermissionRulesOnly: true,
        cleanupPeriodDays: '{{transcriptDays}}',
        env: '{{env}}',
        hooks: hooks({
          SessionStart: '{{beat}}',
          UserPromptSubmit: '{{beat}}',
          PreToolUse: '{{beat}}',
          PostToolUse: '{{beat}}',
          PostToolUseFailure: '{{beat}}',
          SubagentStop: '{{beat}}',
          PreCompact: '{{beat}}',
          Stop: '{{turn}}',
          StopFailure: '{{turnFailed}}',
        }, 10),
      },
      'CLAUDE.md': '{{instructions}}',
    },
    // The answers to what it asks at its first start: theme and login, trust in the folder, use of the key.
    home: {
      '.claude.json': std.manifestJsonMinified({
        hasCompletedOnboarding: true,
        projects: { '{{home}}': { hasTrustDialogAccepted: true } },
        customApiKeyResponses: { approved: ['{{tail20 ANTHROPIC_API_KEY}}'], rejected: [] },
      }) + '\n',
    },
    result: claudeResult,
    message: claudeMessage,
    sessionName: claudeSession,
    // "You've hit your 5-hour limit · resets Nov 21, 1:24pm (Europe/Berlin)", the date only where it is another day, the
    // year only where it is another one; older ones: "usage limit reached|EPOCH". Of a key see keyLimit.
    limits: [
      { match: 'usage limit reached[|]([0-9]{10})', until: 'epoch' },
      { match: 'hit your [^"]{0,40}limit[^"]{1,20}resets ([A-Za-z0-9: ]{3,25}) [(]([A-Za-z0-9/_+-]{1,40})[)]', until: 'zoned' },
      { match: 'hit your [^"]{0,40}limit', until: 'hour' },
      { match: keyLimit, until: 'time' },
    ],
    turnEnd: 'stop-hook',
    login: { command: ['claude', 'auth', 'login'], egress: ['platform.claude.com'] },
    providers: {
      anthropic: {
        header: 'x-api-key',
        env: {
          ANTHROPIC_BASE_URL: '{{provider.url}}',
          ANTHROPIC_API_KEY: '{{provider.header}}',
          ANTHROPIC_AUTH_TOKEN: '{{provider.bearer}}',
        } + claudeModels(named),
      },
      bedrock: {
        url: 'https://bedrock-runtime.{{provider.region}}.amazonaws.com',
        needs: ['region', 'secret'],
        env: { CLAUDE_CODE_USE_BEDROCK: '1', ANTHROPIC_BEDROCK_BASE_URL: '{{provider.url}}' } + aws + claudeModels(named),
      },
      // Its own way to credentials of Google's wants more than a placeholder: a header has the token, which is a short-lived
      // one, as `gcloud auth print-access-token` prints it.
      vertex: {
        url: 'https://{{provider.region}}-aiplatform.googleapis.com',
        needs: ['region', 'project', 'secret'],
        env: {
          CLAUDE_CODE_USE_VERTEX: '1',
          CLAUDE_CODE_SKIP_VERTEX_AUTH: '1',
          ANTHROPIC_CUSTOM_HEADERS: 'Authorization: Bearer {{provider.bearer}}',
          ANTHROPIC_VERTEX_BASE_URL: '{{provider.url}}/v1',
          ANTHROPIC_VERTEX_PROJECT_ID: '{{provider.project}}',
          CLOUD_ML_REGION: '{{provider.region}}',
        } + claudeModels(named),
      },
      ollama: {
        needs: ['model'],
        env: { ANTHROPIC_BASE_URL: '{{provider.url}}', ANTHROPIC_AUTH_TOKEN: '{{provider.bearer}}' } + claudeModels(function(_) '{{model}}'),
      },
    },
  },

  codex: {
    program: 'codex',
    version: codexVersion,
    install: codexInstall,
    interactive: ['codex', '--no-daemon', '--', '{{prompt}}'],
    headless: ['codex', 'exec', '--json', '--skip-git-repo-check', '--', '{{prompt}}'],
    resume: ['codex', 'resume', '--last', '--no-daemon', '--', '{{prompt}}'],
    resumeTalk: ['codex', 'exec', 'resume', '--json', '--skip-git-repo-check', '--', '{{session}}', '{{prompt}}'],
    options: { model: ['--model', '{{model}}'], effort: ['--config', 'model_reasoning_effort={{effort}}'] },
    efforts: ['low', 'medium', 'high', 'xhigh'],
    modes: { bypassPermissions: 'never', default: 'on-request' },
    egress: ['api.openai.com'],
    // Both are above what an agent can write. The sandbox is fleet's: the program's own cannot be made inside.
    settingsDir: '/etc/codex',
    settings: {
      'requirements.toml': {
        allowed_approval_policies: ['{{permissions.mode}}'],
        allowed_sandbox_modes: ['danger-full-access', 'read-only'],
        allow_managed_hooks_only: true,
        hooks: { managed_dir: '/etc/codex' } + hooks({
          SessionStart: '{{beat}}',
          UserPromptSubmit: '{{beat}}',
          PreToolUse: '{{beat}}',
          PostToolUse: '{{beat}}',
          SubagentStop: '{{beat}}',
          PreCompact: '{{beat}}',
          Stop: '{{turn}}',
        }, 10),
      },
      'managed_config.toml': {
        approval_policy: '{{permissions.mode}}',
        sandbox_mode: 'danger-full-access',
        check_for_update_on_startup: false,
        cli_auth_credentials_store: 'file',
        analytics: { enabled: false },
        feedback: { enabled: false },
        otel: { metrics_exporter: 'none' },
        notice: { hide_rate_limit_model_nudge: true },
        features: { apps: false },
        mcp_servers: '{{servers}}',
      },
    },
    server: { url: '{{url}}' },
    instructions: '.codex/AGENTS.md',
    // Its terminal interface takes a key from this file alone.
    home: { '.codex/auth.json': std.manifestJsonMinified({ OPENAI_API_KEY: '{{env OPENAI_API_KEY}}' }) + '\n' },
    result: { line: '"type":"turn.completed"', sum: true, input: ['input_tokens'], output: ['output_tokens'] },
    message: { line: '"type":"agent_message"', key: 'text' },
    sessionName: { line: '"type":"thread.started"', key: 'thread_id' },
    // "You've hit your usage limit. ... or try again at 9:50 AM.", on another day "at Nov 22nd, 2026 1:03 AM."; of a
    // key: "Rate limit reached for ... Please try again in 2h0m0s.", "Quota exceeded. Check your plan ...".
    limits: [
      { match: 'usage limit[^"]{1,300}try again at ([A-Z][a-z]{2} [0-9]{1,2}[a-z]{2} [0-9]{4} [0-9]{1,2}:[0-9]{2} [AP]M|[0-9]{1,2}:[0-9]{2} [AP]M)', until: 'time' },
      { match: 'usage limit[^"]{1,300}try again in ([0-9][0-9a-z ]{1,40})', until: 'span' },
      { match: 'Rate limit reached[^"]{1,300}try again in ([0-9]+(h|m[0-9])[0-9hms.]*)', until: 'span' },
      { match: 'hit your usage limit|Quota exceeded[.] Check your plan', until: 'hour' },
      { match: 'econnecting[. ]+[0-9]+/[0-9]+ [^"]{1,99}last status: 429 Too Many Requests(.{1,300}› |[)]"[}]( Terminated)? $)', until: 'hour' },
    ],
    turnEnd: 'stop-hook',
    login: { command: ['codex', 'login', '--device-auth'], egress: ['auth.openai.com', 'chatgpt.com'] },
    providers: {
      openai: codexProvider('{{provider.url}}'),
      ollama: codexProvider('{{provider.url}}/v1') + { needs: ['model'] },
      bedrock: {
        url: 'https://bedrock-mantle.{{provider.region}}.api.aws',
        needs: ['region', 'secret'],
        env: aws,
        settings: {
          'managed_config.toml': {
            model_provider: 'amazon-bedrock',
            model_providers: { 'amazon-bedrock': { aws: { region: '{{provider.region}}' } } },
          },
        },
      },
    },
    // Of a key that may ask for no more today it says nothing, and waits by itself for as long as it is told.
    turnFailed: [{ match: '^■ ' }, { match: 'econnecting[. ]+[0-9]+/[0-9]', still: '2m' }],
  },

  gemini: {
    program: 'gemini',
    version: geminiVersion,
    install: geminiInstall,
    interactive: ['gemini', '--approval-mode={{permissions.mode}}', '--prompt-interactive={{prompt}}'],
    headless: ['gemini', '--approval-mode={{permissions.mode}}', '--output-format=stream-json', '--prompt={{prompt}}'],
    resume: ['gemini', '--approval-mode={{permissions.mode}}', '--resume=latest', '--prompt-interactive={{prompt}}'],
    resumeTalk: ['gemini', '--approval-mode={{permissions.mode}}', '--output-format=stream-json', '--resume={{session}}', '--prompt={{prompt}}'],
    options: { model: ['--model={{model}}'] },
    modes: { bypassPermissions: 'yolo', acceptEdits: 'auto_edit', default: 'default', plan: 'plan' },
    env: { GEMINI_CLI_NO_RELAUNCH: 'true', NO_BROWSER: 'true' },
    egress: ['generativelanguage.googleapis.com'],
    settingsDir: '/etc/gemini-cli',
    settings: {
      'settings.json': {
        general: { enableAutoUpdate: false, enableAutoUpdateNotification: false },
        privacy: { usageStatisticsEnabled: false },
        telemetry: { enabled: false },
        security: { auth: { selectedType: 'gemini-api-key' }, folderTrust: { enabled: false } },
        tools: { sandbox: false, allowed: '{{permissions.allow}}', exclude: '{{permissions.deny}}' },
        ui: { hideWindowTitle: true },
        mcpServers: '{{servers}}',
        hooksConfig: { enabled: true, notifications: false },
        hooks: hooks({
          SessionStart: '{{beat}}',
          BeforeAgent: '{{beat}}',
          AfterModel: '{{beat}}',
          BeforeTool: '{{beat}}',
          AfterTool: '{{beat}}',
          AfterAgent: '{{turn}}',
        }, 10000),
      },
    },
    server: { httpUrl: '{{url}}', trust: true },
    instructions: '.gemini/GEMINI.md',
    result: { line: '"type":"result"', input: ['input_tokens'], output: ['output_tokens'] },
    message: { line: '"type":"message".*"role":"assistant"', key: 'content', joined: true },
    sessionName: { line: '"type":"init"', key: 'session_id' },
    // "Access resets at 3:04 PM UTC." in a terminal; "Your quota will reset after 3h20m5s." and "Suggested retry after
    // 43200s." where the API says so. Where nothing is said, in a terminal, it is the quota of a day: they are new at midnight
    // in California.
    limits: [
      { match: 'Access resets at ([0-9]{1,2}:[0-9]{2}[^0-9A-Za-z]{1,3}[AP]M [A-Z]{2,5}([+-][0-9:]+)?)', until: 'time' },
      { match: 'quota will reset after ([0-9][0-9hms.]*)', until: 'span' },
      { match: 'Suggested retry after ([0-9][0-9hms.]*)', until: 'span' },
      { match: 'exhausted your daily quota|Usage limit reached for', until: 'midnight', zone: 'America/Los_Angeles' },
      { match: 'exhausted your capacity|TerminalQuotaError', until: 'hour' },
    ],
    turnEnd: 'stop-hook',
    // It asks as it begins; /quit ends it after that.
    login: {
      command: ['gemini'],
      egress: ['cloudcode-pa.googleapis.com', 'oauth2.googleapis.com', 'www.googleapis.com'],
      settings: { 'settings.json': { security: { auth: { selectedType: 'oauth-personal' } } } },
    },
    providers: {
      // By an API key of Google Cloud's; its own way to other credentials wants more than a placeholder.
      vertex: {
        url: 'https://{{provider.region}}-aiplatform.googleapis.com',
        needs: ['region', 'secret'],
        header: 'x-goog-api-key',
        env: { GOOGLE_GENAI_USE_VERTEXAI: 'true', GOOGLE_API_KEY: '{{provider.header}}', GOOGLE_VERTEX_BASE_URL: '{{provider.url}}' },
        settings: { 'settings.json': { security: { auth: { selectedType: 'vertex-ai' } } } },
      },
    },
    turnFailed: [{ match: 'Usage limit reached for' }, { match: '[[]API Error: ' }],
  },

  // Which model it asks is its model's first word: anthropic/..., openai/...
  opencode: {
    program: 'opencode',
    version: opencodeVersion,
    install: opencodeInstall,
    interactive: ['opencode', '--prompt={{prompt}}'],
    // A prompt among its arguments is quoted there; read from its input it is not.
    headless: ['sh', '-c', 'printf %s "$0" | "$@"', '{{prompt}}', 'opencode', 'run', '--format', 'json', '--'],
    resume: ['opencode', '--continue', '--prompt={{prompt}}'],
    resumeTalk: ['sh', '-c', 'printf %s "$0" | "$@"', '{{prompt}}', 'opencode', 'run', '--format', 'json', '--session', '{{session}}', '--'],
    options: { model: ['--model', '{{model}}'] },
    efforts: ['low', 'medium', 'high'],
    models: ['*/*'],
    modes: { bypassPermissions: 'allow', default: 'ask' },
    env: {
      OPENCODE_DISABLE_AUTOUPDATE: '1',
      OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
      OPENCODE_DISABLE_MODELS_FETCH: '1',
      OPENCODE_DISABLE_TERMINAL_TITLE: '1',
    },
    egress: ['api.anthropic.com', 'api.openai.com'],
    settingsDir: '/etc/opencode',
    settings: {
      'opencode.json': {
        autoupdate: false,
        share: 'disabled',
        model: '{{model}}',
        agent: { build: { reasoningEffort: '{{effort}}' } },
        permission: { '*': '{{permissions.mode}}', '{{permissions.allow}}': 'allow', '{{permissions.ask}}': 'ask', '{{permissions.deny}}': 'deny' },
        instructions: ['{{instructions}}'],
        mcp: '{{servers}}',
        plugin: ['file:///etc/opencode/fleet.js'],
      },
      'fleet.json': { beat: '{{beat}}', turn: '{{turn}}', turnFailed: '{{turnFailed}}' },
      'fleet.js': importstr 'fleet-opencode.js',
    },
    server: { type: 'remote', url: '{{url}}', enabled: true },
    result: {
      line: '"type":"step_finish"',
      sum: true,
      input: ['input', 'read', 'write'],
      output: ['output', 'reasoning'],
      cost: ['cost'],
    },
    message: { line: '^[{]"type":"text"', key: 'text' },
    sessionName: { line: '"type":"step_finish"', key: 'sessionID' },
    limits: [
      { match: 'fleet: retried at ([0-9]{10})', until: 'epoch' },
      { match: keyLimit, until: 'time' },
      { match: 'Rate limit reached[^"]{1,300}try again in ([0-9]+(h|m[0-9])[0-9hms.]*)', until: 'span' },
      { match: 'usage limit has been reached|exceeded your current quota|insufficient_quota|exceed your account.s rate limit', until: 'hour' },
    ],
    turnEnd: 'stop-hook',
    login: { command: ['opencode', 'auth', 'login'], egress: ['auth.openai.com', 'chatgpt.com'] },
    providers: {
      anthropic: opencodeProvider('@ai-sdk/anthropic', {
        baseURL: '{{provider.url}}/v1',
        apiKey: '{{provider.header}}',
        authToken: '{{provider.bearer}}',
      }) + { header: 'x-api-key', needs: ['model'] },
      openai: opencodeProvider('@ai-sdk/openai-compatible', { baseURL: '{{provider.url}}', apiKey: '{{provider.bearer}}' }) + { needs: ['model'] },
      ollama: opencodeProvider('@ai-sdk/openai-compatible', { baseURL: '{{provider.url}}/v1', apiKey: '{{provider.bearer}}' }) + { needs: ['model'] },
      bedrock: opencodeProvider('@ai-sdk/amazon-bedrock', {
        region: '{{provider.region}}',
        baseURL: '{{provider.url}}',
        accessKeyId: '{{provider.keyId}}',
        secretAccessKey: '{{provider.sigv4}}',
        apiKey: '{{provider.bearer}}',
      }) + { url: 'https://bedrock-runtime.{{provider.region}}.amazonaws.com', needs: ['region', 'secret', 'model'] },
      vertex: opencodeProvider('@ai-sdk/google-vertex', {
        apiKey: '{{provider.header}}',
        baseURL: '{{provider.url}}/v1/publishers/google',
      }) + {
        url: 'https://{{provider.region}}-aiplatform.googleapis.com',
        header: 'x-goog-api-key',
        needs: ['region', 'secret', 'model'],
      },
    },
  },

  // A small script that comes with fleet and behaves like an agent, so that everything can be tried without an account.
  demo: {
    interactive: ['demo', '--', '{{prompt}}'],
    headless: ['demo', '--headless', '--', '{{prompt}}'],
    resumeTalk: ['demo', '--headless', '--resume', '{{session}}', '--', '{{prompt}}'],
    options: { model: ['--model', '{{model}}'], effort: ['--effort', '{{effort}}'] },
    efforts: ['low', 'medium', 'high', 'xhigh', 'max'],
    instructions: 'INSTRUCTIONS.md',
    login: { command: ['demo', '--login'] },
    result: claudeResult,
    message: claudeMessage,
    sessionName: claudeSession,
    limits: [{ match: 'usage limit reached[|]([0-9]{10})', until: 'epoch' }],
  },
}
