package model

import "time"

// JobPatience is how long a job waits for the agent's session in progress before it is skipped: as long as one may take,
// and a minute for its end.
func (a *Agent) JobPatience() time.Duration { return a.Session + time.Minute }

// CleanupLimit is what the agent's onCleanup hook gets when its unit stops.
func (a *Agent) CleanupLimit() time.Duration { return a.Hooks["onCleanup"].Timeout }
