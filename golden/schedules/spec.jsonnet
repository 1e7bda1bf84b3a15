// Jobs by interval and by calendar, with time zone, jitter and a session limit of their own.
local fleet = import 'fleet.libsonnet';
fleet.new('jobs') {
  agents: {
    clerk: fleet.agent {
      harness: 'demo',
      schedules: {
        hourly: { every: '1h', prompt: 'Look for new work.', jitter: '5m' },
        nightly: { calendar: '*-*-* 02:30:00', timezone: 'Europe/Berlin', prompt: 'Tidy up.', session: '30m' },
        weekday: { calendar: 'Mon..Fri 09:00', prompt: 'Write the day\'s plan.' },
      },
    },
  },
}
