package terminal

import (
	"fmt"
	"strings"
)

// DetachKey leaves the view. It is the one key that does not reach the agent.
const DetachKey = "Ctrl-]"

// statusRows is what the line at the bottom takes of the height.
const statusRows = 1

// configuration is the tmux.conf of the view. What an agent prints can draw cells and nothing else: no clipboard (OSC
// 52), no passing through of escape sequences, no titles, no bell, no hyperlinks, no pictures, no command, since every
// key but one is unbound. -q keeps older and newer versions quiet about options that they do not have.
func configuration(title string, readOnly bool) string {
	label := fmt.Sprintf(" %s   %s leaves", title, DetachKey)
	if readOnly {
		label += "   read-only"
	}
	return strings.Join([]string{
		"set -sq set-clipboard off",
		"set -gq allow-passthrough off",
		"set -gq set-titles off",
		"set -gwq allow-rename off",
		"set -gwq automatic-rename off",
		"set -gwq allow-set-title off",
		"set -gq bell-action none",
		"set -gq activity-action none",
		"set -gq silence-action none",
		"set -gq visual-bell off",
		"set -sq focus-events off",
		"set -sq escape-time 0",
		"set -sq message-limit 0",
		"set -saq terminal-overrides ',*:Ms@:Hls@:Sxl@'",
		"set -gq mouse off",
		"set -gq prefix None",
		"set -gq prefix2 None",
		"set -gq default-shell /bin/sh",
		"set -gq update-environment ''",
		"set -gq lock-after-time 0",
		"set -gq history-limit 0",
		"set -gq destroy-unattached on",
		"set -gwq remain-on-exit off",
		"set -gq status on",
		"set -gq status-position bottom",
		"set -gq status-style reverse",
		"set -gq status-left-length 200",
		"set -gq status-left '" + quoteFormat(label) + "'",
		"set -gq status-right ''",
		"set -gwq window-status-format ''",
		"set -gwq window-status-current-format ''",
		"unbind-key -aq -T root",
		"unbind-key -aq -T prefix",
		"unbind-key -aq -T copy-mode",
		"unbind-key -aq -T copy-mode-vi",
		"bind-key -n C-] detach-client",
		"",
	}, "\n")
}

// quoteFormat keeps a title from being read as a format or from ending its quotes. Titles are project and agent keys,
// so nothing is lost.
func quoteFormat(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`#'"\%`, r) {
			return '?'
		}
		return r
	}, s)
}
