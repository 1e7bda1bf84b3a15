#!/bin/sh
# fleet's way back from an unfinished switch, without the fleet program. It is the same on every host; do not edit.
#
#   /bin/sh /run/fleet/PROJECT/txn/NONCE/revert NONCE [held]
#
# The dead man's timer runs it when a switch does not come to its end, and again until it is done; so does the switch
# itself when it fails, with the word "held": it has the project's lock then and is not to be killed. It may be killed at
# any point and run again. It changes nothing where the switch has passed its commit point.
#
# What to do stands in /var/lib/fleet/PROJECT/txn/NONCE.lines. Nothing else is read but links, recorded digests and what
# systemctl says. One order a line, words parted by one blank, in this order, and no line but these:
#
#   fleet-revert 1          version of the format
#   project P, nonce X      must be this script's own
#   from N, to M            generation that was live (0: none), and the one that was wanted
#   boot N                  what `boot` named when the switch began
#   unit U                  the switch's own unit, killed first                                 (may be missing)
#   timer T                 the dead man's timer, without suffix; T-guard stands in for it      (may be missing)
#   limit SECONDS           for a set of jobs, after which what does not stop is killed         (may be missing)
#   firewall SCRIPT FILE    SCRIPT reload FILE brings the old rules back                        (may be missing)
#   stop U                  unit that the old generation does not have                          (any number)
#   run U DIGEST            unit that must run again from the text with that digest             (any number)
#   keep U INVOCATION       unit that must run again, restarted if this is not its instance     (any number)
#   start U                 unit that must run again, whatever text it runs from                (any number)
#   restart U               unit that is restarted in any case                                  (any number)
#   end                     the list is complete
#
# When it is done it writes to NONCE.result the line "reverted", or "committed" where there was nothing to undo; after it
# "failed UNIT" for each unit that does not run again. Exit status: 0 done, 3 done but units failed, 1 not done.
set -u
umask 077
LC_ALL=C
export LC_ALL

here=${0%/revert}
nonce=${here##*/}
here=${here%/txn/*}
project=${here##*/}
root=${here%/run/fleet/*} # "" but in a test
PATH=$root/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
lines=$root/var/lib/fleet/$project/txn/$nonce.lines
lost=$root/run/fleet/$project/txn/$nonce/lost
result=$root/var/lib/fleet/$project/txn/$nonce.result
run=$root/run/fleet/$project
limit=150 # seconds for one call of systemctl; systemd's own time limits end a job that hangs before

say() { printf 'fleet revert %s: %s\n' "$project" "$1" >&2; }
die() {
	say "$1"
	exit 1
}

# ctl runs systemctl with a time limit. The lock is not handed down, so that it is free once this script is dead.
ctl() { timeout -k 5 "$limit" systemctl "$@" 9>&- </dev/null; }

# value WORD prints the rest of the first line that begins with it.
value() { sed -n "s/^$1 //p" "$lines" | head -n 1; }

# units WORD... prints the units of the lines with these words.
units() {
	while read -r word unit _; do
		case " $* " in *" $word "*) printf '%s\n' "$unit" ;; esac
	done <"$lines"
}

check_list() {
	[ -f "$lines" ] || die "$lines is missing: nothing to do from"
	[ "$(head -n 1 "$lines")" = 'fleet-revert 1' ] || die "$lines has another version: use the tool that wrote it"
	[ "$(tail -n 1 "$lines")" = end ] || die "$lines is cut off"
	[ "$(value project) $(value nonce)" = "$project $nonce" ] || die "$lines is of another switch"
	from=$(value from) to=$(value to) boot=$(value boot) patience=$(value limit)
	patience=${patience:-$limit}
	case $from$to$boot$patience in *[!0-9]*) die "$lines has a generation or a limit that is no number" ;; esac
}

take_lock() {
	unit=$(value unit)
	[ -z "$unit" ] || ctl kill -s KILL -- "$unit" 2>/dev/null
	exec 9<>"$root/run/fleet/lock-$project" || die 'cannot open the lock'
	flock -w 60 9 || die 'the lock is held by a process that does not end'
	printf '%s revert %s\n' "$$" "$to" >"$root/run/fleet/lock-$project"
}

# committed: `boot` has been moved to the wanted generation, or could not move since it named it before and the switch
# said that it is through.
committed() {
	[ "$(cat "$result" 2>/dev/null)" = committed ] && return 0
	[ "$boot" != "$to" ] && [ "$(readlink "$root/etc/fleet/$project/boot")" = "generations/$to" ]
}

# each LIST VERB... runs systemctl with the units of the list, all in one, so that systemd orders their jobs. What is not
# over when its time is goes on without it. Unit names hold neither blanks nor patterns.
each() {
	list=$1
	shift
	[ -n "$list" ] || return 0
	# shellcheck disable=SC2086 # split is what is wanted
	timeout -k 5 "$patience" systemctl "$@" -- $list 9>&- </dev/null
}

# stop_new stops what the old generation does not know. It is called before the reload, while systemd still knows how
# to stop it, and after, for what was not loaded yet.
stop_new() {
	new=$(units stop)
	[ "$from" != 0 ] || new="$new fleet-$project-anchor.service"
	each "$new" stop 2>/dev/null || each "$new" kill -s KILL 2>/dev/null
	each "$new" reset-failed 2>/dev/null
	return 0
}

old_rules() {
	rules=$(value firewall)
	[ -n "$rules" ] || return 0
	timeout -k 5 60 /bin/sh "$root${rules% *}" reload "$root${rules##* }" 9>&- </dev/null || {
		say 'the old firewall rules could not be loaded; the new ones stay in force'
		echo "failed fleet-$project-firewall.service "
	}
}

old_active() {
	if [ "$from" = 0 ]; then
		rm -f "$run/active"
		return
	fi
	ln -sfn "/etc/fleet/$project/generations/$from" "$run/.active.revert" && mv -T "$run/.active.revert" "$run/active"
}

# loaded: systemd's generator has taken the old generation. The exit status of a reload says nothing about that.
loaded() {
	anchor=$root/run/systemd/generator/fleet-$project-anchor.service
	[ "$from" = 0 ] || grep -qx "X-Fleet-Generation=$from" "$anchor" 2>/dev/null
}

# lose notes which sockets systemd has no unit of at the moment, since it could not load a generation: it has closed them,
# and only a restart opens them again. The switch notes them in the same file.
lose() {
	# shellcheck disable=SC2046 # names of units
	set -- $(units run keep start restart | grep '\.socket$')
	[ $# -gt 0 ] || return 0
	ctl show --property=Id --property=LoadState -- "$@" | while IFS='=' read -r word what; do
		case $word in
		Id) unit=$what ;;
		LoadState) [ "$what" = loaded ] || printf '%s\n' "$unit" >>"$lost" ;;
		esac
	done
}

is_lost() { grep -qxsF -- "$1" "$lost"; }

reload() {
	for pause in 1 2 3; do
		lose
		ctl daemon-reload && loaded && return 0
		sleep "$pause"
	done
	say "systemd does not load generation $from: fleet verify tells whether it is whole"
	echo "failed fleet-$project-anchor.service "
}

# runs UNIT DIGEST: it is active, and from that text.
runs() {
	ctl is-active --quiet -- "$1" || return 1
	[ -n "$2" ] || return 0
	digest=
	[ ! -f "$run/units/$1" ] || read -r digest _ <"$run/units/$1"
	[ "$digest" = "$2" ]
}

# kept UNIT INVOCATION: it is active, and this instance of it.
kept() { ctl is-active --quiet -- "$1" && [ "$(ctl show --property=InvocationID --value -- "$1")" = "$2" ]; }

to_start() {
	while read -r word unit what; do
		case $word in run | keep | start) ! is_lost "$unit" || word=restart ;; esac
		case $word in
		restart) printf '%s\n' "$unit" ;;
		keep) kept "$unit" "$what" || printf '%s\n' "$unit" ;;
		run | start) runs "$unit" "$what" || printf '%s\n' "$unit" ;;
		esac
	done <"$lines"
}

start_old() {
	rm -f "$run"/*/end # nobody has to make way for the new generation any more
	ctl stop -- "fleetending-$project-*" 2>/dev/null
	old=$(to_start)
	each "$old" reset-failed 2>/dev/null
	each "$old" restart && return 0
	stuck=$(for unit in $old; do ! stopping "$unit" || printf '%s\n' "$unit"; done)
	[ -n "$stuck" ] || return 0
	each "$stuck" kill -s KILL
	each "$stuck" start # waits for the restart that goes on now
	return 0
}

# stopping UNIT: it does not come down, and so not up again.
stopping() { [ "$(ctl show --property=ActiveState --value -- "$1")" = deactivating ]; }

# release_timers gives timers their schedules, which the switch held so that none fires by being started again: a reload
# reckons from the new start.
release_timers() {
	set -- "$root/run/systemd/system/fleet-$project-"*.timer.d/50-fleet-hold.conf
	[ -e "$1" ] || return 0
	rm -f "$@"
	for hold; do rmdir "${hold%/*}" 2>/dev/null; done
	ctl daemon-reload
}

failed_units() {
	units run keep start restart | while read -r unit; do
		! ctl is-failed --quiet -- "$unit" || printf 'failed %s\n' "$unit"
	done
}

# forget takes away what the first switch of a host put in place for every generation: none was ever confirmed. The
# generator stays where another project needs it.
forget() {
	[ "$from$boot" = 00 ] || return 0
	rm -f "$root/etc/sudoers.d/fleet-$project"
	umount -q "$run"/*/own "$run"/pts/* 2>/dev/null
	for other in "$root"/etc/fleet/*/; do
		[ "$other" = "$root/etc/fleet/$project/" ] || return 0
	done
	for parent in "$root/usr/local/lib/systemd" "$root/etc/systemd"; do
		generator=$parent/system-generators/fleet
		grep -qs "^# fleet's systemd generator" "$generator" || continue
		rm -f "$generator" && rmdir "$parent/system-generators" 2>/dev/null && rmdir "$parent" 2>/dev/null
	done
	return 0
}

# note WORD FAILED writes the result so that a power cut leaves it whole or missing.
note() {
	printf '%s\n' "$1" ${2:+"$2"} >"$result.new" && sync "$result.new" && mv "$result.new" "$result" && sync "${result%/*}"
}

# tell says in the chat of the old generation, where it has one, what happened. A chat that does not answer is no reason
# to wait.
tell() {
	chat=$root/etc/fleet/$project/generations/$from/libexec/fleet-chat
	[ "$from" != 0 ] && [ -S "$run/chat.sock" ] && [ -x "$chat" ] || return 0
	timeout -k 1 10 "$chat" post --socket "$run/chat.sock" --wait 5s -- \
		"ALERT: the switch to generation $to failed; generation $from is live again${1:+, but: $1}" 9>&- </dev/null ||
		say 'the chat took no alert'
}

# finish WORD FAILED ends. Where nothing can be written the switch itself, which is there to tell, needs no note; the
# timer comes again.
finish() {
	note "$1" "$2" || [ -n "$held" ] || die "cannot write $result"
	timer=$(value timer)
	[ -n "$held" ] || [ -z "$timer" ] || ctl stop -- "$timer.timer" "$timer-guard.timer" 2>/dev/null
	say "$1 ${2:-}"
	[ "$1" != reverted ] || tell "$(printf '%s' "$2" | tr '\n' ' ')"
	[ -z "$2" ] || exit 3
	exit 0
}

[ "${1-}" = "$nonce" ] || die 'usage: /bin/sh /run/fleet/PROJECT/txn/NONCE/revert NONCE [held]'
held=${2-}
check_list
[ -n "$held" ] || take_lock
! committed || finish committed ''
say "going back from generation $to to $from"
stop_new
failed=$(old_rules)
old_active || die "cannot move $run/active"
failed=$failed$(reload)
stop_new
start_old
release_timers
forget
finish reverted "$failed$(failed_units)"
