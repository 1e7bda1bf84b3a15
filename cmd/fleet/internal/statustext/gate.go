package statustext

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"fleet/activate/plaintext"
	"fleet/cmd/fleet/internal/table"
	"fleet/schemas/status"
)

// gate is "active", or "bypass 4 min" with the time that it still lasts.
func gate(g *status.Gate) string {
	if g == nil {
		return "-"
	}
	text := plaintext.Short(g.State, 10)
	if g.State == status.GateBypass && g.Seconds > 0 {
		text += " " + age(time.Duration(g.Seconds)*time.Second)
	}
	return text
}

func gateColor(g *status.Gate) string {
	switch {
	case g == nil:
		return ""
	case g.State == status.GateFailed || g.State == status.GateCut || g.Stale:
		return table.Red
	case g.State == status.GateBypass:
		return table.Yellow
	}
	return ""
}

// egress is "1,204 ok  3 denied".
func egress(e *status.Egress) string {
	if e == nil {
		return "-"
	}
	return fmt.Sprintf("%s ok  %s denied", thousands(e.Allowed), thousands(e.Denied))
}

func egressDetail(e *status.Egress) string {
	if e == nil {
		return ""
	}
	text := egress(e) + " in 24 h"
	if e.Would > 0 {
		text += fmt.Sprintf(", %s of them by mode report or a bypass alone", thousands(e.Would))
	}
	return text
}

func gateDetail(g *status.Gate) string {
	if g == nil {
		return ""
	}
	parts := []string{gate(g)}
	if g.Mode != "" {
		parts = append(parts, "mode "+plaintext.Short(g.Mode, 10))
	}
	if g.Open > 0 {
		parts = append(parts, fmt.Sprintf("%d open connections", g.Open))
	}
	if g.Reason != "" {
		parts = append(parts, plaintext.Short(g.Reason, maxReason))
	}
	if g.Stale {
		parts = append(parts, "its policy is not the generation's")
	}
	if g.Error != "" {
		parts = append(parts, "last reload: "+plaintext.Short(g.Error, maxReason))
	}
	return strings.Join(parts, ", ")
}

// thousands writes a number with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(max(0, n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
