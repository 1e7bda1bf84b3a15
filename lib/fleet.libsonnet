// The library of a spec: constructors and nothing more. Defaults and checks are fleet's own, so that plain JSON and
// YAML get the same ones. `fleet explain KEY` says what a key means.
//
//     local fleet = import 'fleet.libsonnet';
//     fleet.new('myteam') { agents: { lead: fleet.agent { name: 'Atlas' } } }
{
  // A fleet. Its keys follow in braces.
  new(project):: { version: 'fleet/v1', project: project },

  // An agent with every key at its default. Its keys follow in braces.
  agent:: {},

  // Instructions from a file of the spec's folder. A text is written as it is.
  file(path):: { file: path },

  // A pause between sessions that is longer by night: iteration: fleet.iteration('5m', '1h', '08:00', '20:00')
  iteration(day, night, from, to, timezone=null)::
    { day: day, night: night, from: from, to: to, timezone: timezone },

  // Jobs: schedules: { nightly: fleet.schedule.cron('0 3 * * *', 'Update the dependencies.') { catchUp: true } }
  schedule: {
    every(span, prompt):: { every: span, prompt: prompt },
    cron(when, prompt, timezone=null):: { cron: when, prompt: prompt, timezone: timezone },
    calendar(when, prompt, timezone=null):: { calendar: when, prompt: prompt, timezone: timezone },
  },

  // Hooks: hooks: { before: fleet.hook.script('git pull --ff-only'), setup: fleet.hook.file('setup.sh', '5m') }
  hook: {
    script(text, timeout=null):: { script: text, timeout: timeout },
    file(path, timeout=null):: { file: path, timeout: timeout },
  },

  // Credentials, by how they are contained: secrets: { GITHUB_TOKEN: fleet.secret.broker() }. Of names that fleet knows
  // it knows hosts and places too; see credentials.libsonnet.
  secret: {
    broker(host=null, hosts=null, header=null, bearer=null, basic=null, query=null, sigv4=null, like=null, env=null)::
      {
        disposition: 'broker',
        hosts: if host != null then [host] else hosts,
        header: header,
        bearer: bearer,
        basic: basic,
        query: query,
        sigv4: sigv4,
        like: like,
        env: env,
      },
    sidecar(env=null):: { disposition: 'sidecar', env: env },
    expose(env=null):: { disposition: 'expose', env: env },
    absent():: { disposition: 'absent' },
  },

  // Where models are asked: providers: { company: fleet.provider.bedrock('eu-central-1', 'AWS_SECRET_ACCESS_KEY') }, and
  // provider: 'company' of an agent. models gives an agent's models the names that they have there.
  provider: {
    anthropic(url, secret=null, models=null):: { kind: 'anthropic', url: url, secret: secret, models: models },
    openai(url, secret=null, models=null):: { kind: 'openai', url: url, secret: secret, models: models },
    bedrock(region, secret, models=null):: { kind: 'bedrock', region: region, secret: secret, models: models },
    vertex(region, secret, project=null, models=null)::
      { kind: 'vertex', region: region, secret: secret, project: project, models: models },
    ollama(url, private=true, models=null):: { kind: 'ollama', url: url, private: private, models: models },
  },

  // A tool that holds secrets, called over MCP: sidecars: { deploy: fleet.sidecar(['/usr/bin/deploy-mcp'], ['DEPLOY_KEY']) }
  sidecar(command=null, secrets=null, tools=null, url=null)::
    { command: command, url: url, secrets: secrets, tools: tools },

  // Where the team speaks: coordination: fleet.coordination.github('acme/board', 'CHAT_TOKEN'). Tokens are secrets of
  // disposition sidecar; channels have the backend's identifiers.
  coordination: {
    discord(server, tokenSecret, channels=null)::
      { backend: 'discord', server: server, tokenSecret: tokenSecret, channels: channels },
    slack(tokenSecret, appTokenSecret, channels=null)::
      { backend: 'slack', tokenSecret: tokenSecret, appTokenSecret: appTokenSecret, channels: channels },
    // At GitHub a channel's identifier is the label, or the number, of the issue that it is; that of tasks begins their labels.
    github(repo, tokenSecret, channels=null):: {
      backend: 'github',
      repo: repo,
      tokenSecret: tokenSecret,
      channels: if channels != null then channels else {
        alerts: 'fleet-alerts',
        general: 'fleet-general',
        lessons: 'fleet-lessons',
        tasks: 'fleet',
      },
    },
    none():: { backend: 'none' },
  },

  // A folder of the host, read-only unless ro=false.
  mount(source, target=source, ro=true):: { source: source, target: target, ro: ro },

  // Ports or numbers from A to B.
  range(from, to):: { from: from, to: to },
}
