// Each harness that comes with fleet: its command lines, managed settings, hooks and sidecars as it reads them, and its
// credential held by the gate, or a login of its own.
local fleet = import 'fleet.libsonnet';

fleet.new('many') {
  secrets: { ANTHROPIC_API_KEY: {}, GEMINI_API_KEY: {}, OPENAI_API_KEY: {}, TOOL_KEY: fleet.secret.sidecar() },
  sidecars: { tool: fleet.sidecar(command=['/usr/bin/tool'], secrets=['TOOL_KEY']) },
  defaults: { prompt: 'Work.', instructions: ['Be kind.'], sidecars: ['tool'] },
  agents: {
    claude: fleet.agent { model: 'opus', effort: 'max', secrets: ['ANTHROPIC_API_KEY'], permissions: { deny: ['WebFetch'] } },
    codex: fleet.agent { harness: 'codex', model: 'gpt-5', effort: 'xhigh', secrets: ['OPENAI_API_KEY'] },
    gemini: fleet.agent {
      harness: 'gemini', model: 'gemini-2.5-pro', secrets: ['GEMINI_API_KEY'],
      permissions: { mode: 'acceptEdits', allow: ['run_shell_command(git)'], deny: ['google_web_search'] },
    },
    'codex-account': fleet.agent { harness: 'codex', login: true },
    'gemini-account': fleet.agent { harness: 'gemini', login: true },
    'headless-codex': self.codex { mode: 'headless', model: null, effort: null },
    opencode: fleet.agent {
      harness: 'opencode', model: 'openai/gpt-5', effort: 'high', secrets: ['OPENAI_API_KEY'],
      permissions: { mode: 'default', allow: ['read', 'grep'], ask: ['bash'], deny: ['webfetch'] },
    },
    plain: fleet.agent { harness: 'opencode', mode: 'headless', secrets: ['OPENAI_API_KEY'], sidecars: [] },
  },
}
