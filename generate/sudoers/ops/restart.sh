# Restarts the agent at once. One that a person stopped stays so.
if [ -e "$stopped" ]; then
	echo "agent $key of $project is stopped; start it" >&2
	exit 1
fi
systemctl restart -- "$unit"
