// Jobs by interval, by cron and by calendar, with time zone, jitter, a session limit, what becomes of missed and overlapping
// runs, and a channel that is told.
local fleet = import 'fleet.libsonnet';
fleet.new('jobs') {
  coordination: { channels: { reports: '' } },
  agents: {
    clerk: fleet.agent {
      harness: 'demo',
      notify: 'general',
      limits: { costPerDay: 5 },
      schedules: {
        hourly: { every: '1h', prompt: 'Look for new work.', jitter: '5m', overlap: 'skip' },
        nightly: { calendar: '*-*-* 02:30:00', timezone: 'Europe/Berlin', prompt: 'Tidy up.', session: '30m', catchUp: true },
        weekday: { cron: '0 9 * * mon-fri', prompt: 'Write the day\'s plan.', notify: 'reports' },
        either: { cron: '*/20 8-18 1,15 * fri', timezone: 'America/New_York', overlap: 'skip', prompt: 'Count.' },
      },
    },
  },
}
