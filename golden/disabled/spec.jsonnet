// A disabled agent keeps its user and its number and has no unit.
local fleet = import 'fleet.libsonnet';
fleet.new('rest') {
  defaults: { harness: 'demo' },
  agents: {
    awake: fleet.agent {},
    asleep: fleet.agent { enabled: false },
  },
}
