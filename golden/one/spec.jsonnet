// The smallest fleet: one agent, every key at its default.
local fleet = import 'fleet.libsonnet';
fleet.new('one') {
  agents: { solo: fleet.agent { harness: 'demo' } },
}
