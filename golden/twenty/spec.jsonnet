// Twenty agents from a comprehension: what is shared stands once, under defaults.
local fleet = import 'fleet.libsonnet';
fleet.new('twenty') {
  defaults: { harness: 'demo', role: 'Software Engineer', iteration: '15m' },
  agents: { ['w%02d' % n]: fleet.agent { name: 'Worker %d' % n } for n in std.range(1, 20) },
}
