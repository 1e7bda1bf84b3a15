# Stops the agent. The mark keeps it stopped over switches and reboots, until somebody starts it.
umask 022
mkdir -p -- "${stopped%/*}"
: >"$stopped"
systemctl stop -- "$unit"
