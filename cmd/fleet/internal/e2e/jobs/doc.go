// Package jobs tries schedules on a real host: what they leave behind, that two never run at once, what becomes of a
// time that passes while the host is off, and of a run that is killed. Its tests have the build tag machine.
package jobs
