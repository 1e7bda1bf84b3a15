package survey

import (
	"testing"
	"time"

	"fleet/activate/systemd"
	"fleet/schemas/session"
	"fleet/schemas/status"
)

func unit(active, sub, result string) systemd.Unit {
	return systemd.Unit{LoadState: "loaded", ActiveState: active, SubState: sub, Result: result, Ran: true}
}

func TestJudge(t *testing.T) {
	working := session.Now{State: session.Working, N: 41, At: time.Now()}
	pausing := session.Now{State: session.Pausing, N: 41, At: time.Now()}
	up := unit("active", "running", "success")
	crashed := unit("activating", "auto-restart", "exit-code")
	crashed.ExecMainStatus = 127
	masked := systemd.Unit{LoadState: "masked", ActiveState: "inactive"}
	never := systemd.Unit{LoadState: "loaded", ActiveState: "inactive"}
	for name, c := range map[string]struct {
		facts facts
		want  verdict
	}{
		"disabled":            {facts{}, verdict{status.Disabled, "", true}},
		"works":               {facts{enabled: true, unit: up, now: working}, verdict{status.Working, "", true}},
		"pauses":              {facts{enabled: true, unit: up, now: pausing}, verdict{status.Pausing, "", true}},
		"says nothing":        {facts{enabled: true, unit: up}, verdict{status.Waiting, "its runner begins", true}},
		"stopped by fleet":    {facts{enabled: true, marked: true, unit: unit("inactive", "dead", "success")}, verdict{status.Stopped, "", true}},
		"being stopped":       {facts{enabled: true, marked: true, unit: up}, verdict{status.Waiting, "is being stopped", true}},
		"stopped, had failed": {facts{enabled: true, marked: true, unit: unit("failed", "failed", "signal")}, verdict{status.Stopped, "", true}},
		"stopped by systemctl": {
			facts{enabled: true, unit: unit("inactive", "dead", "success")},
			verdict{status.Stopped, "by systemctl stop, until it is started or the host boots", true},
		},
		"masked":        {facts{enabled: true, unit: masked}, verdict{status.Stopped, "its unit is masked", true}},
		"never started": {facts{enabled: true, unit: never}, verdict{status.Failed, "was not started; sudo fleet start does", false}},
		"crash loop":    {facts{enabled: true, unit: crashed}, verdict{status.Failed, "exit-code, status 127; systemd starts it again", false}},
		"failed":        {facts{enabled: true, unit: unit("failed", "failed", "start-limit-hit")}, verdict{status.Failed, "start-limit-hit", false}},
		"starts":        {facts{enabled: true, unit: unit("activating", "start-pre", "success")}, verdict{status.Waiting, "starts", true}},
		"told to end":   {facts{enabled: true, unit: up, now: working, told: true}, verdict{status.Waiting, "restarts when session 41 has ended", true}},
		"old unit": {
			facts{enabled: true, unit: up, now: working, manual: true},
			verdict{status.Working, "runs its old unit until a person restarts it: sudo fleet restart", true},
		},
		"future beat": {
			facts{enabled: true, unit: up, now: working, future: true},
			verdict{status.Working, "its heartbeat lies in the future, which counts as none", false},
		},
		"no harness": {
			facts{enabled: true, unit: up, now: pausing, problem: "harness"},
			verdict{status.Pausing, "its harness is not installed; sudo fleet doctor tells how", false},
		},
		"usage limit": {
			facts{enabled: true, unit: up, now: pausing, problem: "limit-0"},
			verdict{status.Pausing, "the account's usage limit lasts until " + time.Unix(0, 0).Format("2006-01-02 15:04"), true},
		},
		"alert": {
			facts{enabled: true, unit: up, now: working, alerted: true},
			verdict{status.Working, "the watchdog raised an alert: journalctl -p err tells why", false},
		},
		"stopped by the watchdog": {
			facts{enabled: true, marked: true, halted: "crash loop", unit: unit("inactive", "dead", "success")},
			verdict{status.Stopped, "by the watchdog: crash loop", false},
		},
		"unit not found": {
			facts{enabled: true, unit: systemd.Unit{LoadState: "not-found", ActiveState: "inactive"}},
			verdict{status.Failed, "its unit is not-found", false},
		},
	} {
		if got := judge(c.facts); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
