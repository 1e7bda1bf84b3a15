# Queues what stands on stdin as a prompt for the agent's next session.
umask 077
most=102400 # bytes: the runner passes it as one argument, of which Linux allows 128 KiB
waiting=100 # prompts

die() {
	printf '%s\n' "$1" >&2
	exit 1
}

# The folder is root's; its reader cannot write there.
new=$(mktemp -- "$queue/.new-XXXXXXXXXX") || die "agent $key of $project has no queue; start it"
trap 'rm -f -- "$new"' EXIT
trap 'exit 1' HUP INT TERM
head -c $((most + 1)) >"$new"
[ "$(wc -c <"$new")" -le "$most" ] || die "the prompt must have at most $most bytes"
grep -q '[^[:space:]]' -- "$new" || die 'the prompt must not be empty'
[ "$(tr -d '\000' <"$new" | wc -c)" -eq "$(wc -c <"$new")" ] || die 'the prompt must not contain NUL'
iconv -f UTF-8 -t UTF-8 -- "$new" >/dev/null 2>&1 || die 'the prompt must be UTF-8'

# The number that the runner took last stands in a file of the agent's: of that name nothing is followed and nothing
# waited for, and anything but a number counts as none. Root's numbers go on from there.
last=$(dd if="$taken" iflag=nofollow,nonblock bs=16 count=1 2>/dev/null | tr -d '\000\n') || last=
case $last in
'' | *[!0-9]* | ???????*) last=0 ;;
esac
last=$(printf '%s' "$last" | sed 's/^0*//')
last=${last:-0}

number=$last
n=0
for path in "$queue"/[0-9][0-9][0-9][0-9][0-9][0-9]; do
	[ -e "$path" ] || continue
	this=$(printf '%s' "${path##*/}" | sed 's/^0*//')
	if [ "${this:-0}" -le "$last" ]; then
		rm -f -- "$path"
		continue
	fi
	number=$this
	n=$((n + 1))
done
[ "$n" -lt "$waiting" ] || die "$n prompts wait already, which is the most"

chgrp -- "$group" "$new"
chmod 0440 -- "$new"
# ln never replaces, so that of two that send at once each gets a number.
while [ "$number" -lt 999999 ]; do
	number=$((number + 1))
	path=$(printf '%s/%06d' "$queue" "$number")
	if ln -T -- "$new" "$path" 2>/dev/null; then
		printf '%s\n' "queued as number $number, behind $n"
		exit 0
	fi
	[ -e "$path" ] || die "cannot write $path"
done
die 'the last number is reached'
