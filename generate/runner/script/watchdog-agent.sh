
# Stops an agent and keeps it stopped, as `fleet stop` does.
halt() {
	printf 'watchdog: %s\n' "$1" >"$state/stopped/$key"
	timeout 60 systemctl stop "$unit"
	alarm "ALERT: agent $key is stopped: $1; sudo fleet start $key starts it again"
	condition=stopped reason=$1
}

# Restarts an agent and looks whether it came up.
revive() {
	bad "$key" "agent $key is $1: restarting it"
	condition=failed reason=$1
	rm -f "$notes/$key.beat"
	! switching || return 0
	timeout 60 systemctl restart "$unit" 2>/dev/null
	systemctl is-active --quiet "$unit" || say 4 "agent $key does not start"
}

# Reads what systemd knows of the unit.
inspect() {
	active='' result='' pid=0 restarts=0 invocation=none
	while IFS='=' read -r name value; do
		case $name in
		ActiveState) active=$value ;;
		Result) result=$value ;;
		MainPID) pid=$value ;;
		NRestarts) restarts=$value ;;
		InvocationID) invocation=${value:-none} ;;
		esac
	done <<-END
		$(systemctl show -p ActiveState,Result,MainPID,NRestarts,InvocationID -- "$unit")
	END
}

# Counts in windows of at least five minutes how often systemd itself started the agent again: three times in one are a
# breakdown, and windows in a row add up.
breakdowns() {
	stored "$key.window" && since=$value
	stored "$key.restarts" && times=$((restarts - value))
	stored "$key.breakdowns" && windows=$value
	if [ "$since" -eq 0 ] || [ "$times" -lt 0 ]; then
		windows=0
	elif [ $((now - since)) -lt 300 ]; then
		return
	elif [ "$times" -lt 3 ]; then
		windows=0
	else
		windows=$((windows + 1))
	fi
	store "$key.window" "$now"
	store "$key.restarts" "$restarts"
	store "$key.breakdowns" "$windows"
}

# Counts for how many runs of one invocation the heartbeat has not moved. A time in the future counts as not moved.
stillness() {
	beat=$(stat -c %Y "$own/beat" 2>/dev/null) && digits "$beat" || beat=0
	before=none last=none runs=0
	[ ! -f "$notes/$key.beat" ] || read -r before last runs <"$notes/$key.beat"
	if [ "$before" != "$invocation" ]; then
		runs=0
	elif [ "$beat" = "$last" ] || [ "$beat" -gt $((now + 60)) ]; then
		runs=$((runs + 1))
	else
		runs=0
	fi
	store "$key.beat" "$invocation $beat $runs"
}

# What the runner says of itself is the name that a link points to; anything but these words is not a runner's.
complaint() {
	word=$(timeout 5 readlink "$own/problem" 2>/dev/null)
	case $word in
	limit-*) digits "${word#limit-}" && reason="usage limit until $(seconds "${word#limit-}")" ;;
	cost-*) digits "${word#cost-}" && reason="the costs of the day have reached their limit, until $(seconds "${word#cost-}")" ;;
	failing) reason='its sessions fail' ;;
	harness) reason='its harness is missing' ;;
	workspace) reason='its workspace cannot be used' ;;
	hook) reason='a hook fails' ;;
	disk) reason='it cannot write its records' ;;
	*) return 1 ;;
	esac
}

# An agent that runs, as far as systemd knows.
running() {
	condition=pausing
	[ ! -L "$own/session" ] || condition=working
	stillness
	if [ "$runs" -ge "$stalled_runs" ]; then
		store "$key.quiet" "$stalled_runs"
		revive stalled
	elif complaint && [ "${word%-*}" = "$word" ]; then
		bad "$key" "agent $key: $reason"
		fit=false
	elif [ "$runs" -eq 0 ]; then # after a stall only some runs with a heartbeat are a recovery
		stored "$key.quiet"
		store "$key.quiet" $((value > 0 ? value - 1 : 0))
		[ "$value" -gt 0 ] || good "$key" "agent $key"
	fi
	stored "$key.limit"
	case $word in
	limit-* | cost-*)
		[ "$value" -ne 0 ] || alarm "ALERT: agent $key waits: $reason" # once, however often it finds it used up again
		store "$key.limit" "${word#*-}"
		;;
	*) rm -f "$notes/$key.limit" ;;
	esac
}

look() {
	own=$run/$key/own condition=waiting reason='' fit=true beat=0 word=''
	inspect
	breakdowns
	if [ -e "$state/stopped/$key" ]; then
		condition=stopped
		rm -f "$notes/$key".*
	elif [ "$windows" -ge "$alert_after" ]; then
		halt 'crash loop'
	elif [ "$active" = active ] && [ -d "/proc/$pid" ]; then
		running
	elif [ "$active" = inactive ] && [ "$result" = success ]; then
		condition=stopped # by a person
	else
		case $active in
		active | inactive | failed) revive "dead ($result)" ;;
		esac
	fi
	if [ "$windows" -gt 0 ] && [ "$condition" != stopped ]; then
		reason='crash loop'
		say 4 "agent $key breaks down again and again"
	fi
	[ "$condition" != failed ] && [ "$reason" != 'crash loop' ] || fit=false
	[ "$fit" = true ] || healthy=false
}
