package runner

import (
	"strconv"

	"fleet/generate/artifact"
	"fleet/generate/model"
	"fleet/schemas/report"
)

// watchdog makes the script that a timer runs as root. gate and chat are these programs in the store.
func watchdog(m *model.Fleet, gate, chat string, faults *report.Report) artifact.File {
	h := newHeader("watchdog", faults)
	h.set("project", "project", m.Project)
	h.set("project", "run", m.RunDir())
	h.set("project", "state", m.StateDir())
	h.set("project", "lock", "/run/fleet/lock-"+m.Project)
	h.set("project", "firewall", string(m.Firewall()))
	h.set("project", "table", m.Table())
	h.set("operators", "operators", m.Operators)
	h.number("stalled_runs", m.Watchdog.StalledRuns)
	h.number("alert_after", m.Watchdog.AlertAfter)
	h.number("denied_alert", m.Watchdog.DeniedAlert)
	h.set("project", "gate", gate)
	if !m.HasChat() {
		chat = ""
	}
	h.set("project", "chat", chat)
	h.set("project", "chat_socket", string(m.ChatControl()))
	h.set("heartbeatUrl", "heartbeat_url", m.Watchdog.HeartbeatURL)
	enabled, disabled := rows(m)
	h.table("agents", "agents", enabled)
	h.table("agents", "disabled", disabled)
	var boxes [][]string
	for _, s := range m.Sidecars {
		boxes = append(boxes, []string{s.Box.Key})
	}
	h.table("sidecars", "boxes", boxes)
	return h.script("libexec/watchdog", watchdogBody+watchdogAgent+watchdogGate+watchdogProject)
}

// rows are key, unit, user and, of those that run, the limit of their disk in bytes, 0 for none.
func rows(m *model.Fleet) (enabled, disabled [][]string) {
	for i := range m.Agents {
		a := &m.Agents[i]
		row := []string{a.Key, string(m.AgentUnit(a.Key)), a.User}
		if a.Enabled {
			enabled = append(enabled, append(row, strconv.FormatUint(a.Limits.Disk, 10)))
		} else {
			disabled = append(disabled, row)
		}
	}
	return enabled, disabled
}
