// Both isolation modes side by side; the one in the host's network namespace has loopback ports of its own.
local fleet = import 'fleet.libsonnet';
fleet.new('walls') {
  defaults: { harness: 'demo' },
  egress: { allow: ['example.com'] },
  agents: {
    inside: fleet.agent { isolation: 'namespace' },
    beside: fleet.agent { isolation: 'user', localPorts: { from: 20000, to: 20009 } },
    narrow: fleet.agent {
      isolation: 'user',
      egress: { allow: [{ host: '192.168.7.7', ports: [5432], protocol: 'raw', private: true }] },
    },
  },
}
