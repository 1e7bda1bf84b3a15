# Below here every agent's and every job's script is the same. Called with the word harness it becomes the harness, else
# it is an agent: session, pause, session; or one session where kind is job. It runs as the agent inside the sandbox and
# holds no privilege. No -e: the loop outlives a full disk.
set -u && umask 077
own=$run/own work=$home/work logs=$records/sessions job_field='' prompt_field=''
number=0 failures=0 taken=0 queued='' ending='' worker='' troubled=''
[ "$kind" = session ] || logs=$records/jobs job_field=",\"job\":\"$job\""
export FLEET_PROJECT="$project" FLEET_AGENT="$key" FLEET_KIND="$kind" FLEET_OWN="$own"

say() { printf '%s\n' "$*" || :; }
clock() { read -r clock _ </proc/uptime && clock=${clock%%.*}; } # seconds since boot: nobody sets that clock
over() { [ -n "$ending" ] || { [ "$kind" = session ] && [ -e "$run/end" ]; }; }

# What others see of an agent: heartbeat, status line, and links that point nowhere: root reads names and times here.
beat() { [ "$kind" != session ] || { true >"$own/beat"; } 2>/dev/null || :; } # sh would end where : cannot open it
sign() { [ "$kind" != session ] || ln -sfn "$2" "$own/$1" || :; }
trouble() { troubled=yes && sign problem "$1"; }
tell() {
	[ "$kind" = session ] || return 0
	printf '%s %s %s %s\n' "$1" "$number" "$2" "$FLEET_RESULT" >"$own/status.new" && mv -f "$own/status.new" "$own/status"
}

# Takes the next number of the agent's sessions and jobs.
count() {
	began=$(date -u +%Y-%m-%dT%H:%M:%SZ) exit_code=0 log='' until='' troubled=''
	read -r number 2>/dev/null <"$records/number" || number=0
	case $number in '' | *[!0-9]* | 0?* | ?????????*) number=0 ;; esac
	number=$((number + 1)) queued='' prompt_field=''
	printf '%s\n' "$number" >"$records/number" || trouble disk
}

# Finds the first prompt in the queue after the one that was taken last.
waiting() {
	[ "$taken" -gt 0 ] || read -r taken 2>/dev/null <"$records/queue" || taken=0
	case $taken in '' | *[!0-9]* | ???????*) taken=0 ;; esac
	for next in "$run"/queue/[0-9][0-9][0-9][0-9][0-9][0-9]; do
		[ ! -f "$next" ] || [ "${next##*/}" -le "$taken" ] || return 0
	done
	return 1
}

# Takes a queued prompt before its session begins, so that none is done twice; from then on root may remove it.
take() {
	if [ "$kind" = job ] || ! waiting || ! cat "$next" >"$own/prompt"; then return; fi
	queued=$own/prompt taken=${next##*/}
	prompt_field=",\"prompt\":${taken#"${taken%%[!0]*}"}"
	printf '%s\n' "$taken" >"$records/queue" || trouble disk
}

# Runs a command that may take long, and tells it to end when the runner is told: systemd signals the runner alone.
attend() {
	"$@" &
	worker=$!
	[ -z "$ending" ] || kill -s TERM "$worker"
	wait "$worker" 2>/dev/null
	status=$?
	while kill -0 "$worker"; do wait "$worker"; status=$?; done 2>/dev/null # a signal ends a wait
	worker=''
	return "$status"
}

# Runs the hook of this name, where there is one, under its own limit.
hook() {
	while read -r name limit script; do
		[ "$name" = "$1" ] || continue
		attend timeout -k 5 "$limit" "$script" </dev/null 9>&- && continue
		[ -z "$ending" ] || return 1 # it was told to
		say "hook $1 failed"
		trouble hook
		return 1
	done <<-END
		$hooks
	END
}

prepare() {
	if ! mkdir -p "$work" "$logs" || ! cd "$work" || ! "$tool_furnish" "$home" "$records" "$files" "$instructions"; then
		trouble workspace
		return 1
	fi
	if ! command -v "$program" >/dev/null; then
		say "harness $program is not in $PATH; sudo fleet doctor --fix says how to install it"
		trouble harness
		return 1
	fi
	[ -e "$home/.fleet-setup" ] || { hook setup && true >"$home/.fleet-setup"; } || return 1
	hook before
}

# Becomes the harness, all but its exit status, which goes into a file: tmux may miss the end of a child.
harness() {
	[ -z "${FLEET_QUEUED:-}" ] || prompt=$(cat "$FLEET_QUEUED")
	[ -z "${FLEET_RESUME:-}" ] || argv=$resume
	set --
	while IFS= read -r item; do
		case $item in *'{{prompt}}'*) item=${item%%'{{prompt}}'*}$prompt${item#*'{{prompt}}'} ;; esac
		set -- "$@" "$item"
	done <<-END
		$argv
	END
	export FLEET_PID=$$
	trap : TERM HUP INT
	"$@"
	printf '%s\n' $? >"$own/exit.new" && mv -f "$own/exit.new" "$own/exit"
}

session() {
	attend "$tool_session" "$mode" "$turn_end" "$session" "$log" "$tmux_conf" "$0" harness >"$own/outcome" 9>&-
	read -r FLEET_RESULT exit_code <"$own/outcome" || FLEET_RESULT=failed
	[ "$FLEET_RESULT" = failed ] && until=$("$tool_limit" "$own/turn.failed" "$log") && FLEET_RESULT=limit
}

record() {
	ended=$(date -u +%Y-%m-%dT%H:%M:%SZ) used=$("$tool_usage" "$report" "$log")
	printf '{"n":%s,"kind":"%s"%s%s,"start":"%s","end":"%s","result":"%s","exit":%s%s}\n' "$number" "$kind" "$job_field" \
		"$prompt_field" "$began" "$ended" "$FLEET_RESULT" "$exit_code" "$used" >>"$records/sessions.jsonl" || trouble disk
	"$tool_prune" "$records/sessions.jsonl" "$logs" "$keep"
	say "$kind $number: $FLEET_RESULT"
}

# One session from its number to its record. Its lock keeps the agent's loop and its jobs apart.
work() {
	count
	take
	export FLEET_SESSION="$number" FLEET_QUEUED="$queued"
	log=$logs/$number.log
	tell working "$(date +%s)"
	sign session "$number"
	say "$kind $number begins"
	FLEET_RESULT=failed
	if prepare; then session; elif [ -n "$ending" ]; then FLEET_RESULT=ended; fi
	case $FLEET_RESULT in
		ok) hook after || FLEET_RESULT=failed ;;
		failed | timeout) hook onFailure ;;
	esac
	record
	[ "$kind" != session ] || rm -f "$own/session"
}

# Sleeps, and ends early at a signal, at the end flag and, where the second argument is given, for a queued prompt.
pause() {
	tell pausing $(($(date +%s) + $1))
	clock && wake=$((clock + $1))
	while clock && [ "$clock" -lt "$wake" ] && ! over; do
		beat
		[ -z "${2:-}" ] || ! waiting || return 0
		attend sleep 2
	done
}

# What follows: the pause of the spec, a longer and longer one after failures, or the end of the usage limit.
rest() {
	FLEET_RESUME='' wakes=prompt
	case $FLEET_RESULT in
		failed)
			failures=$((failures + 1))
			[ "$failures" -lt 3 ] || [ -n "$troubled" ] || sign problem failing
			;;
		limit)
			sign problem "limit-$until"
			FLEET_RESUME=${resume:+yes} wakes=''
			say "the usage limit lasts until $(date -d "@$until")"
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

[ "${1:-}" != harness ] || { harness; exit; }
while read -r name file; do
	[ -z "$name" ] || export "$name=$(cat "$CREDENTIALS_DIRECTORY/$file")"
done <<-END
	$exposed
END
export FLEET_SESSION=0 FLEET_RESULT=- FLEET_QUEUED='' FLEET_RESUME=''
trap 'ending=yes; [ -z "$worker" ] || kill -s TERM "$worker"' TERM INT HUP
chmod -R u+rwX "$own" # the run before may have closed what is in it, and left signs and what is in the way
[ "$kind" = job ] || find "$own" -mindepth 1 -maxdepth 1 ! -type f,s -exec rm -rf {} +
exec 9>"$own/lock"
if [ "$kind" = job ]; then
	if attend flock -w "$patience" 9; then # it waits as long as a session of the agent may take
		work
	else
		FLEET_RESULT=skipped
		[ -z "$ending" ] || FLEET_RESULT=ended
		count
		record
	fi
	case $FLEET_RESULT in ok | skipped | ended) exit 0 ;; *) exit 1 ;; esac
fi
beat
while ! over && lock; do
	work
	flock -u 9
	rest
done
ending='' # or the hook would be told at once
hook onCleanup
tmux -S "$own/tmux" kill-server 2>/dev/null
rm -f "$own/status" || :
