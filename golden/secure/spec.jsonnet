// Credentials by disposition: what the gates hold, what a tool holds, what one agent has itself, and what nobody has.
local fleet = import 'fleet.libsonnet';

fleet.new('secure') {
  description: 'A shop whose agents work with credentials that they cannot leak.',
  defaults: { secrets: ['ANTHROPIC_API_KEY'] },
  secrets: {
    ANTHROPIC_API_KEY: fleet.secret.broker(),
    GITHUB_TOKEN: fleet.secret.broker() { agents: ['lead'], note: 'Pull requests of the shop.' },
    // Another value for another agent, under the same name.
    WORKER_GITHUB_TOKEN: fleet.secret.broker(like='GITHUB_TOKEN', env='GITHUB_TOKEN') {
      agents: ['worker'],
      methods: ['GET'],
      note: 'Reads.',
    },
    PACKAGES_KEY: fleet.secret.broker(host='packages.example.com', header='x-packages-key') { paths: ['/shop/*'], agents: ['lead', 'worker'] },
    AWS_SECRET_ACCESS_KEY: fleet.secret.broker(host='s3.eu-central-1.amazonaws.com', sigv4='AKIAIOSFODNN7EXAMPLE') { agents: ['lead'] },
    // A client that nothing can stand before: the agent has it.
    PRINTER_PIN: fleet.secret.expose() { agents: ['worker'], note: 'The label printer speaks no HTTP.' },
    // A tool that ships the shop holds it; who calls the tool never sees it.
    DEPLOY_KEY: fleet.secret.sidecar(),
    OLD_TOKEN: fleet.secret.absent(),
  },
  sidecars: {
    deploy: fleet.sidecar(command=['/usr/bin/deploy-mcp'], secrets=['DEPLOY_KEY'], tools=['status', 'ship']) {
      arguments: { ship: { properties: { to: { enum: ['staging'] } }, required: ['to'] } },
      callsPerMinute: 10,
      egress: { allow: ['deploy.example.com'] },
      note: 'Ships to staging.',
    },
  },
  egress: {
    allow: ['github.com', 'api.github.com', 'uploads.github.com', 'packages.example.com', 's3.eu-central-1.amazonaws.com'],
  },
  agents: {
    lead: { name: 'Atlas', role: 'Lead Software Engineer', sidecars: ['deploy'] },
    worker: { name: 'Io', role: 'Software Engineer' },
    reader: { name: 'Vesta', role: 'Reviewer', egress: { deny: ['packages.example.com'] } },
  },
}
