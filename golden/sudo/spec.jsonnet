// Exact root commands, which need isolation user.
local fleet = import 'fleet.libsonnet';
fleet.new('admin') {
  agents: {
    deployer: fleet.agent {
      harness: 'demo',
      isolation: 'user',
      sudo: ['/usr/bin/systemctl restart app.service', '/usr/bin/apt-get update', '/usr/bin/id'],
    },
    reader: fleet.agent { harness: 'demo' },
  },
}
