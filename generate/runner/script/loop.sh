# Below here every agent's script is the same: a session, a pause, a session, and answers to people in between.

failures=0 taken=0 heard=0 due=0 overdue=0 troubled=''

clock() { read -r clock _ </proc/uptime && clock=${clock%%.*}; } # seconds since boot: nobody sets that clock
over() { [ -n "$ending" ] || [ -e "$run/end" ]; }

# What others see of an agent: heartbeat, status line, and links that point nowhere: root reads names and times here.
beat() { { true >"$own/beat"; } 2>/dev/null || :; } # sh would end where : cannot open it
sign() { ln -sfn "$2" "$own/$1" || :; }
trouble() { troubled=yes && sign problem "$1"; }
tell() {
	printf '%s %s %s %s\n' "$1" "$number" "$2" "$FLEET_RESULT" >"$own/status.new" && mv -f "$own/status.new" "$own/status"
}

# Chooses the command line of a session.
choose() {
	[ -z "${FLEET_RESUME:-}" ] || argv=$resume
	case ${FLEET_TALK:-} in '') ;; -) argv=$talk ;; *) argv=$talk_again ;; esac
}

# Finds the first prompt in the queue after the one that was taken last.
prompted() {
	[ "$taken" -gt 0 ] || read -r taken 2>/dev/null <"$records/queue" || taken=0
	case $taken in '' | *[!0-9]* | ???????*) taken=0 ;; esac
	for next in "$run"/queue/[0-9][0-9][0-9][0-9][0-9][0-9]; do
		[ ! -f "$next" ] || [ "${next##*/}" -le "$taken" ] || return 0
	done
	return 1
}

# Finds the last file by which the chat has called the agent, after the one that was heard last.
called() {
	[ -n "$calls" ] || return 1
	[ "$heard" -gt 0 ] || read -r heard 2>/dev/null <"$records/heard" || heard=0
	case $heard in '' | *[!0-9]* | 9?????????????????? | ????????????????????*) heard=0 ;; esac
	for newest in "$calls"/[1-8]??????????????????; do :; done
	[ -f "$newest" ] && [ "${newest##*/}" -gt "$heard" ]
}

hear() {
	[ -n "$1" ] || return 0
	heard=$1
	printf '%s\n' "$heard" >"$records/heard" || trouble disk
}

# Chooses the prompt of a session. One of the queue is taken before it begins, so that none is done twice; from then
# on root may remove it. Whatever the chat has called for until now is that session's.
take() {
	if [ -n "$thread" ]; then
		queued=$own/prompt thread_field=",\"thread\":\"$channel/$thread\""
		"$tool_chat" prompt "$channel" "$thread" "$trust" >"$own/prompt" || trouble disk
		return
	fi
	! called || hear "${newest##*/}"
	if ! prompted || ! cat "$next" >"$own/prompt"; then return; fi
	queued=$own/prompt taken=${next##*/}
	prompt_field=",\"prompt\":${taken#"${taken%%[!0]*}"}"
	printf '%s\n' "$taken" >"$records/queue" || trouble disk
}

# Answers who has waited longest in the chat, by a session that takes up the one before of the same thread. Where an
# iteration is due it comes after three answers at most.
converse() {
	[ -n "$talk" ] || return 1
	! clock || [ "$clock" -lt "$due" ] || overdue=$((overdue + 1))
	[ "$overdue" -le 3 ] && found=$("$tool_chat" next "$heard") || return 1
	read -r channel thread last trust FLEET_TALK newest <<-END
		$found
	END
	hear "$newest"
	work
	case $FLEET_RESULT in
		limit | ended) ;; # answered later
		*)
			name=''
			[ -z "$session_name" ] || name=$("$tool_said" "$session_name" "$log")
			said | "$tool_chat" answer "$channel" "$thread" "$last" "$FLEET_RESULT" "$name" ||
				say "the chat does not take the answer: it is sent again later"
			;;
	esac
	thread='' FLEET_TALK=''
	[ "$FLEET_RESULT" != ok ] || FLEET_RESULT=answered
}

# Sleeps, and ends early at a signal, at the end flag and, where the second argument is given, for a prompt or a call.
pause() {
	tell pausing $(($(date +%s) + $1))
	clock && due=$((clock + $1))
	while clock && [ "$clock" -lt "$due" ] && ! over; do
		beat
		[ -z "${2:-}" ] || { ! prompted && ! called; } || return 0
		attend sleep 2
	done
}

# What follows: the pause of the spec, a longer and longer one after failures, or the end of the usage limit. An
# answer was no iteration: its pause goes on.
rest() {
	FLEET_RESUME='' wakes=yes
	case $FLEET_RESULT in
		answered)
			FLEET_RESULT=ok
			clock && pause $((due > clock ? due - clock : 0)) yes
			return
			;;
		failed)
			failures=$((failures + 1))
			[ "$failures" -lt 3 ] || [ -n "$troubled" ] || sign problem failing
			;;
		limit)
			sign problem "limit-$until"
			FLEET_RESUME=${resume:+yes} wakes=''
			;;
		cost)
			until=$(($(date +%s) / 86400 * 86400 + 86400)) wakes=''
			sign problem "cost-$until"
			say "the costs of the day have reached $cost dollars: nothing is done until the next one begins"
			;;
		*) failures=0 ;;
	esac
	[ "$FLEET_RESULT" != ok ] || [ -n "$troubled" ] || rm -f "$own/problem"
	pause "$("$tool_delay" "$FLEET_RESULT" "$failures" "$until" "$day" "$night" "$from" "$to" "$timezone")" "$wakes"
}

# Waits for the lock that keeps the agent's sessions and jobs apart.
lock() {
	until flock -n 9 || over; do beat; tell waiting "$(date +%s)"; attend sleep 2; done
	! over
}

run() {
	beat
	while ! over && lock; do
		troubled=''
		if spent; then
			FLEET_RESULT=cost
		elif ! converse; then
			work
			overdue=0
		fi
		flock -u 9
		rest
	done
	ending='' # or the hook would be told at once
	hook onCleanup
	tmux -S "$own/tmux" kill-server 2>/dev/null
	rm -f "$own/status" || :
}

