package main

import "github.com/spf13/cobra"

// commands lists every command by what it is for, in the order of a user's day.
func commands(a *app) (groups []*cobra.Group, all []*cobra.Command) {
	for _, g := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"compile", "Compile a spec (no root):", []*cobra.Command{
			newCheckCmd(a), newFmtCmd(a), newBuildCmd(a), newGoldenCmd(a), newDiffCmd(a), newVerifyCmd(a), newExplainCmd(a),
		}},
		{"try", "Try it:", []*cobra.Command{newTryCmd(a), newDoctorCmd(a)}},
		{"switch", "Switch a host (root):", []*cobra.Command{
			newSwitchCmd(a), newConfirmCmd(a), newAbortCmd(a), newRollbackCmd(a), newGenerationsCmd(a), newGCCmd(a),
			newUninstallCmd(a),
		}},
		{"work", "Daily work:", []*cobra.Command{
			newStatusCmd(a), newStartCmd(a), newStopCmd(a), newRestartCmd(a), newAttachCmd(a), newLoginCmd(a), newSendCmd(a), newLogsCmd(a),
			newJobsCmd(a), newTriggerCmd(a),
		}},
		{"chat", "The team's chat (operators):", []*cobra.Command{newChatCmd(a), newTasksCmd(a)}},
		{"gate", "What agents reach (root, but for test):", []*cobra.Command{newEgressCmd(a), newMetricsCmd(a)}},
		{"vault", "Values of secrets (root, but for edit):", []*cobra.Command{newSecretCmd(a), newHostKeyCmd(a)}},
	} {
		groups = append(groups, &cobra.Group{ID: g.id, Title: g.title})
		for _, c := range g.commands {
			c.GroupID = g.id
			all = append(all, c)
		}
	}
	return groups, append(all, newVersionCmd(a), newManCmd(a), newDetachedCmd(a), newProbeCmd(a), newCanaryCmd(a), newRelayCmd())
}
