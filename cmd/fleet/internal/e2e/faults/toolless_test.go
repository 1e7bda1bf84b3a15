//go:build machine

package faults

import (
	"testing"

	"fleet/activate/machine"
)

// forget removes every copy of the program.
const forget = `rm -f /usr/local/bin/fleet /var/lib/fleet/demo/probe /var/lib/fleet/store/*-fleet`

// B29: nothing that a host needs from day to day needs the program: a boot, the watchdog, schedules, nor does the way
// back from an unfinished switch.
func TestACTB29WithoutTheProgram(t *testing.T) {
	t.Parallel()
	const jobs = `{ agents+: { a+: { schedules: { d: { every: '1h', prompt: 'demo: print hello', session: '5m' } } } } }`
	h := boot(t, machine.Options{})
	first := h.first(brisk, jobs)
	h.MustRun("cp", "/usr/local/bin/fleet", "/root/fleet")
	h.Sh(forget)
	h.PowerCut()
	h.becomes("1", first)
	h.MustRun("systemctl", "kill", "--signal=KILL", "fleet-demo-a.service")
	h.MustRun("systemctl", "start", "fleet-demo-watchdog.service")
	h.mustSay(h.ReadFile("/run/fleet/demo/status.json"), `"number":1`, `"boot":1`)
	h.becomes("1", first)
	h.MustRun("systemctl", "start", "fleet-demo-a-job-d.service")
	h.mustSay(h.Sh("cat /var/lib/fleet/demo/records/a/sessions.jsonl"), `"kind":"job"`, `"result":"ok"`)

	h.MustRun("cp", "/root/fleet", "/usr/local/bin/fleet")
	h.killedAt("restart fleet-demo-a.service", spec(2, brisk, jobs))
	h.Sh(forget)
	h.becomes("1", first) // by the dead man
	h.MustRun("cp", "/root/fleet", "/usr/local/bin/fleet")
	h.killedAt("daemon-reload", spec(3, brisk, jobs))
	h.Sh(forget)
	h.PowerCut()
	h.becomes("1", first) // by the boot
}
