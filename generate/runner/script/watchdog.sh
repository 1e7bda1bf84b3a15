# Looks after the agents of a project, once a run: restarts what is dead or stalled, stops what breaks down again and
# again or fills the disk, tells of it in the journal, and leaves status.json for `fleet status`. Below here the script is
# the same for every fleet.
#
# It is root, and whatever lies below K/own, in homes and in records belongs to agents: of that it reads the names that
# links point to and time stamps, by lstat(2) and readlink(2), opens nothing and follows nothing.
set -u
umask 077
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
notes=$run/watchdog agents_json='' reasons='' healthy=true alarms=''
mkdir -p "$notes" || exit 1
now=$(date +%s)

say() { printf '<%s>fleet %s: %s\n' "$1" "$project" "$2"; } # journald reads the priority from the line's begin
# alarm TEXT: what people shall know is in the journal at once, and in the chat at the end of the run.
alarm() {
	say 3 "$1"
	[ -z "$chat" ] || alarms="$alarms$1
"
}

# Eleven digits are more than any number or time here has, and the longest time that a date can be made of.
digits() { case $1 in '' | *[!0-9]* | ????????????*) return 1 ;; esac }
stored() { value=0 && [ ! -f "$notes/$1" ] || read -r value <"$notes/$1" && digits "$value" || value=0; }
store() { printf '%s\n' "$2" >"$notes/$1"; }
seconds() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }
switching() { [ -e "$lock" ] && ! flock -s -n "$lock" true; } # a switch stops and starts agents itself

# bad SUBJECT TEXT: counts how often it was so in a row, and tells once when that is enough.
bad() {
	stored "$1.failed"
	failed=$((value + 1))
	store "$1.failed" "$failed"
	say 4 "$2"
	[ "$failed" -ge "$alert_after" ] && [ ! -e "$notes/$1.told" ] || return 0
	store "$1.told" "$now"
	alarm "ALERT: $2 ($failed times in a row)"
}

# good SUBJECT TEXT: forgets that, and tells once that it is over.
good() {
	rm -f "$notes/$1.failed"
	[ -e "$notes/$1.told" ] || return 0
	rm -f "$notes/$1.told"
	alarm "RECOVERED: $2"
}
