// The example: a lead and a worker. It runs the demo harness, which needs no account.
local fleet = import 'fleet.libsonnet';

// Every agent runs this harness. Choose another one with --tla-str harness=claude-code.
function(harness='demo')
  fleet.new('myteam') {
    description: 'A small team that looks after one code base.',

    // What all agents share. Each may say otherwise.
    defaults: {
      harness: harness,
      instructions: [
        'Work in small steps. Run the tests before you commit, and leave the tree clean.',
      ],
    },

    // What they may reach. Each harness brings what it needs itself.
    egress: {
      allow: [
        'github.com',
        'codeload.github.com',
        'raw.githubusercontent.com',
        { host: 'github.com', ports: [22], protocol: 'raw', note: 'git over SSH' },
      ],
    },

    agents: {
      lead: fleet.agent {
        name: 'Atlas',
        role: 'Lead Software Engineer',
        effort: 'high',
        iteration: '10m',
        prompt: |||
          You are {{agent.name}}, {{agent.role}} of {{project}}.
          Look at the state of the work, decide what matters most, and write it down as small tasks.
          Review what the others finished. End when there is nothing left to decide.
        |||,
        egress: { allow: [{ host: 'api.github.com', methods: ['GET'], note: 'reads issues, changes nothing' }] },
      },

      worker: fleet.agent {
        name: 'Scout',
        role: 'Software Engineer',
        effort: 'medium',
        iteration: '5m',
        prompt: |||
          You are {{agent.name}}, {{agent.role}} of {{project}}.
          Take the next task, finish it with tests, and end.
        |||,
        egress: { allow: ['registry.npmjs.org'] },
      },
    },
  }
