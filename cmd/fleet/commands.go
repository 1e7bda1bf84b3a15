package main

import "github.com/spf13/cobra"

// commands lists every command, in the order of a user's day.
func commands(a *app) []*cobra.Command {
	return []*cobra.Command{
		newCheckCmd(a), newFmtCmd(a), newBuildCmd(a), newGoldenCmd(a), newVerifyCmd(a), newExplainCmd(a),
		newTryCmd(a), newDoctorCmd(a),
		newSwitchCmd(a), newConfirmCmd(a), newAbortCmd(a), newRollbackCmd(a), newGenerationsCmd(a), newGCCmd(a),
		newUninstallCmd(a),
		newStatusCmd(a), newStartCmd(a), newStopCmd(a), newRestartCmd(a), newAttachCmd(a), newSendCmd(a), newLogsCmd(a),
		newJobsCmd(a), newTriggerCmd(a),
		newVersionCmd(a), newDetachedCmd(a), newProbeCmd(a), newRelayCmd(),
	}
}
