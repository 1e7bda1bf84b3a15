package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newEgressCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "egress",
		Short: "See and steer what agents reach: records, tests, suggestions, cut and bypass",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newEgressLogCmd(a), newEgressWatchCmd(a), newEgressTestCmd(a), newEgressSuggestCmd(a), newEgressBypassCmd(a),
		newEgressCutCmd(a), newEgressRestoreCmd(a),
	)
	return cmd
}

// sinceForms are the points in time that --since takes beside a length of time.
var sinceForms = []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

// parseSince reads a point in time, or how long before now one was, such as 90m or 7d; "" is the zero time.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 36500 {
			return now.AddDate(0, 0, -n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	for _, form := range sinceForms {
		if t, err := time.ParseInLocation(form, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage(fmt.Errorf("--since must be a length of time such as 90m or 7d, or a time such as %q, is %q",
		"2026-05-01 13:00", text))
}

// printableReason refuses a text that files and records of gates do not take.
func printableReason(text string, required bool) error {
	plain := len(text) <= maxReasonText && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' })
	switch {
	case required && strings.TrimSpace(text) == "":
		return usage(errors.New("--reason must say why, for whoever reads the records\n  hint: --reason \"npm install of the release\""))
	case !plain:
		return usage(fmt.Errorf("--reason must be at most %d printable ASCII characters", maxReasonText))
	}
	return nil
}

// maxReasonText is what a bypass takes.
const maxReasonText = 200
