// Each kind of provider with each harness that can ask it: its address is all that the agent reaches, its credential is
// held by the gate, and models have the names that they have there.
local fleet = import 'fleet.libsonnet';

local on(harness, provider, model) = fleet.agent { harness: harness, provider: provider, model: model };

fleet.new('clouds') {
  secrets: {
    AWS_SECRET_ACCESS_KEY: fleet.secret.broker(
      sigv4='AKIAIOSFODNN7EXAMPLE', hosts=['bedrock-runtime.eu-central-1.amazonaws.com', 'bedrock-mantle.eu-central-1.api.aws']
    ),
    BEDROCK_API_KEY: fleet.secret.broker(host='bedrock-runtime.us-east-1.amazonaws.com', bearer=true),
    GOOGLE_TOKEN: fleet.secret.broker(host='europe-west1-aiplatform.googleapis.com', bearer=true),
    GOOGLE_API_KEY: fleet.secret.broker(host='europe-west4-aiplatform.googleapis.com', header='x-goog-api-key', like='GEMINI_API_KEY'),
    COMPANY_KEY: fleet.secret.broker(host='llm.example.com', bearer=true),
    COMPANY_ANTHROPIC: fleet.secret.broker(host='claude.example.com', header='x-api-key', like='ANTHROPIC_API_KEY') { ports: [8443] },
  },
  providers: {
    aws: fleet.provider.bedrock('eu-central-1', 'AWS_SECRET_ACCESS_KEY', { sonnet: 'eu.anthropic.claude-sonnet-4-6', haiku: 'eu.anthropic.claude-haiku-4-5' }),
    awskey: fleet.provider.bedrock('us-east-1', 'BEDROCK_API_KEY'),
    vertex: fleet.provider.vertex('europe-west1', 'GOOGLE_TOKEN', 'my-project'),
    vertexkey: fleet.provider.vertex('europe-west4', 'GOOGLE_API_KEY'),
    company: fleet.provider.openai('https://llm.example.com/v1', 'COMPANY_KEY', { big: 'glm-5' }) { note: 'paid by the platform team' },
    claude: fleet.provider.anthropic('https://claude.example.com:8443', 'COMPANY_ANTHROPIC'),
    claudetoken: fleet.provider.anthropic('https://llm.example.com/anthropic/', 'COMPANY_KEY'),
    open: fleet.provider.anthropic('https://open.example.com'),
    home: fleet.provider.ollama('http://10.0.0.5:11434'),
  },
  defaults: { prompt: 'Work.' },
  agents: {
    'cc-bedrock': on('claude-code', 'aws', 'sonnet'),
    'cc-bedrockkey': on('claude-code', 'awskey', 'us.anthropic.claude-opus-4-6-v1'),
    'cc-vertex': on('claude-code', 'vertex', 'claude-sonnet-4-6'),
    'cc-anthropic': on('claude-code', 'claude', 'opus'),
    'cc-token': on('claude-code', 'claudetoken', 'opus'),
    'cc-open': on('claude-code', 'open', null),
    'cc-ollama': on('claude-code', 'home', 'qwen3-coder'),
    'cx-openai': on('codex', 'company', 'big'),
    'cx-bedrock': on('codex', 'aws', 'openai.gpt-5.5'),
    'cx-ollama': on('codex', 'home', 'gpt-oss:120b'),
    'gm-vertex': on('gemini', 'vertexkey', 'gemini-2.5-pro'),
    'oc-openai': on('opencode', 'company', 'big'),
    'oc-anthropic': on('opencode', 'claude', 'claude-opus-4-6'),
    'oc-bedrock': on('opencode', 'aws', 'sonnet'),
    'oc-vertex': on('opencode', 'vertexkey', 'gemini-2.5-pro'),
    'oc-ollama': on('opencode', 'home', 'qwen3-coder'),
  },
}
