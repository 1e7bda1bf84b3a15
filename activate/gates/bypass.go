package gates

import (
	"os"
	"time"

	"fleet/activate/agents"
	"fleet/activate/boottime"
	"fleet/schemas/egress"
	"fleet/schemas/policy"
)

// Bypassed returns the bypass that the gate of an agent would begin with, nil where none is in force. Its file is root's.
func Bypassed(f *agents.Fleet, key string) *egress.Bypass {
	text, err := os.ReadFile(f.Profile.Bypass(key))
	if err != nil {
		return nil
	}
	b, err := policy.ParseBypass(text)
	if err != nil {
		return nil
	}
	boot, err := boottime.ID()
	if err != nil {
		return nil
	}
	left, err := b.Left(boot, boottime.Now())
	if err != nil {
		return nil
	}
	return &egress.Bypass{Until: b.Until, Seconds: int64((left + time.Second - 1) / time.Second), Reason: b.Reason, By: b.By}
}
