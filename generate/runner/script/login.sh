# Below here the script is the same for every agent: it runs a harness's own login on the terminal of an operator, as the
# agent and in its sandbox, and stays until the operator has read how that ended.
set -u && umask 077
say() { printf '%s\n' "$*"; }

mkdir -p "$home/work" && cd "$home/work" && "$tool_furnish" "$home" "$records" "$files" "$instructions" || exit 1
if ! command -v "$program" >/dev/null; then
	say "harness $program is not in $PATH; sudo fleet doctor --fix says how to install it"
	say 'Press Enter to leave.'
	read -r _
	exit 1
fi
set --
while IFS= read -r item; do
	set -- "$@" "$item"
done <<END
$argv
END
trap : INT # it is the program's
"$@"
status=$?
say ''
if [ "$status" -eq 0 ]; then say 'The login has ended.'; else say "The login has failed, with exit status $status."; fi
say 'Press Enter to leave.'
read -r _
exit "$status"
