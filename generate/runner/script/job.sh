# Below here every job's script is the same. Called with the word end it has ended, and nothing is left to do where it
# ended by itself.

# Waits for the job's turn. One that skips has none while the agent is busy, and none for a time that came while it ran
# itself, for which the timer starts it afterwards; systemd 252 and newer tell by this variable that a timer does.
turn() {
	if [ "$overlap" = queue ]; then
		attend flock -w "$patience" 9
	else
		flock -n 9 && { [ -z "${TRIGGER_UNIT:-}" ] || "$tool_due" "$records/sessions.jsonl" "$job" "$every" "$events"; }
	fi
}

# Records a run that could not do so itself: it was killed, or the host went down. Its log knows best when that was.
lost() {
	read -r number began 2>/dev/null <"$mark" && rm -f "$mark" || return 0
	case $number$began in *[!0-9TZ:-]*) return 0 ;; esac
	log=$logs/$number.log exit_code=137 FLEET_RESULT=failed
	[ "${SERVICE_RESULT:-}" != timeout ] || FLEET_RESULT=timeout
	record "$(date -u -r "$log" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null)"
}

# A job has one command line and one prompt, and shows nothing of itself.
choose() { :; }
take() { :; }
tell() { :; }
sign() { :; }
trouble() { :; }

run() {
	FLEET_RESULT=''
	turn || FLEET_RESULT=skipped
	[ -z "$ending" ] || FLEET_RESULT=ended
	[ -n "$FLEET_RESULT" ] || ! spent || FLEET_RESULT=cost
	if [ -z "$FLEET_RESULT" ]; then lost && work; else count && record "$(now)"; fi
	case $FLEET_RESULT in ok | skipped | ended | cost) exit 0 ;; *) exit 1 ;; esac
}

