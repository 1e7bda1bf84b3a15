package settings

// The commands of a harness's hooks. FLEET_OWN and FLEET_PID come from the agent's runner; without them nothing is done,
// so that an operator's own session is let alone.
const (
	// beat is a sign of life: a tool was called, a session began.
	beat = `[ -z "${FLEET_OWN:-}" ] || : >"$FLEET_OWN/beat"`
	// A hook's parent is the harness, and the harness's is the runner's process FLEET_PID, or its grandparent where a
	// wrapper starts it. Of a second harness that the agent itself starts, neither is, and its turns end nothing.
	ours = `parent() { read -r s <"/proc/$1/stat"; s=${s##*) } && s=${s#* } && echo "${s%% *}"; }; ` +
		`a=$(parent $PPID); b=$(parent $a); case ${FLEET_PID:-none} in "$a" | "$b") `
	turn       = ours + `: >"$FLEET_OWN/turn" ;; esac`
	turnFailed = ours + `head -c 65536 >"$FLEET_OWN/turn.new" && mv "$FLEET_OWN/turn.new" "$FLEET_OWN/turn.failed" ;; esac`
)
