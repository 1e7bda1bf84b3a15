# Below here every agent's and every job's script is the same: what a session is. Called with the word harness it
# becomes the harness, else it runs what stands above: an agent's loop, or a job. It runs as the agent inside the
# sandbox and holds no privilege. No -e: the loop outlives a full disk.
set -u && umask 077
own=$run/own work=$home/work logs=$records/sessions job_field='' prompt_field='' thread_field=''
number=0 thread='' queued='' ending='' worker='' mark='' log='' until='' exit_code=0
[ "$kind" = session ] || logs=$records/jobs job_field=",\"job\":\"$job\"" mark=$records/running-$job
export FLEET_PROJECT="$project" FLEET_AGENT="$key" FLEET_KIND="$kind" FLEET_JOB="$job" FLEET_OWN="$own"
export FLEET_CHAT="$tool_chat" # for hooks: chat post CHANNEL <TEXT

say() { printf '%s\n' "$*" || :; }
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }

# Takes the next number of the agent's sessions and jobs.
count() {
	began=$(now) exit_code=0 log='' until='' queued='' prompt_field='' thread_field=''
	number=$("$tool_records" "$records" number) || trouble disk
	number=${number:-1}
}

# Whether the costs of the day have reached their limit. They come from records that the agent can write.
spent() { [ -n "$cost" ] && "$tool_records" "$records" spent "$cost"; }

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
	choose
	set --
	while IFS= read -r item; do
		case $item in *'{{session}}'*) item=${item%%'{{session}}'*}$FLEET_TALK${item#*'{{session}}'} ;; esac
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
	style=${thread:+headless}
	style=${style:-$mode}
	attend "$tool_session" "$style" "$turn_end" "$turn_failed" "$session" "$log" "$tmux_conf" "$0" harness >"$own/outcome" 9>&-
	read -r FLEET_RESULT exit_code <"$own/outcome" || FLEET_RESULT=failed exit_code=137 # it was killed
	if [ "$FLEET_RESULT" = failed ] && until=$("$tool_limit" "$limits" "$own/turn.failed" "$log"); then
		FLEET_RESULT=limit
		say "the usage limit lasts until $(date -d "@$until")"
	fi
	[ "$style" != headless ] || "$tool_said" "$message" "$log" >"${log%.log}.txt"
}

# Prints what the session said at its end.
said() { [ ! -f "${log%.log}.txt" ] || head -c 16384 "${log%.log}.txt"; }

# Adds the record. With an end that is not now no old ones are removed: another session may still write to a transcript.
record() {
	used=$("$tool_usage" "$report" "$log")
	line=$(printf '{"n":%s,"kind":"%s"%s%s,"start":"%s","end":"%s","result":"%s","exit":%s%s}' "$number" "$kind" \
		"$job_field" "$prompt_field$thread_field" "$began" "${1:-$(now)}" "$FLEET_RESULT" "$exit_code" "$used")
	if [ $# -eq 0 ]; then set -- "$keep" "$keep_jobs"; else set --; fi
	"$tool_records" "$records" add "$line" "$@" || trouble disk
	say "$kind $number: $FLEET_RESULT"
	[ -n "$notify" ] && [ -z "$thread" ] || return 0
	case $FLEET_RESULT in skipped | ended | cost) return ;; esac
	said | "$tool_chat" tell "$notify" "$title $number" "$FLEET_RESULT" "$used" ||
		say "the chat does not take the report"
}

# One session from its number to its record. Its lock keeps the agent's loop and its jobs apart.
work() {
	count
	take
	export FLEET_SESSION="$number" FLEET_QUEUED="$queued"
	log=$logs/$number.log
	[ -z "$mark" ] || printf '%s %s\n' "$number" "$began" >"$mark"
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
	rm -f "${mark:-$own/session}"
}

[ "${1:-}" != harness ] || { harness; exit; }
[ "${1:-}" != end ] || { lost; exit; }
while read -r name file; do
	[ -z "$name" ] || export "$name=$(cat "$CREDENTIALS_DIRECTORY/$file")"
done <<-END
	$exposed
END
export FLEET_SESSION=0 FLEET_RESULT=- FLEET_QUEUED='' FLEET_RESUME='' FLEET_TALK=''
trap 'ending=yes; [ -z "$worker" ] || kill -s TERM "$worker"' TERM INT HUP
chmod -R u+rwX "$own" # the run before may have closed what is in it, and left signs and what is in the way
[ "$kind" = job ] || find "$own" -mindepth 1 -maxdepth 1 ! -type f,s -exec rm -rf {} +
exec 9>"$own/lock"
run
