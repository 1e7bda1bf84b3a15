# Shows the agent's terminal. Its bytes must not reach the operator's terminal raw, which takes the program.
fleet=/usr/local/bin/fleet
if [ ! -x "$fleet" ]; then
	echo "attach needs $fleet; install it, or see the agent's journal by logs" >&2
	exit 1
fi
exec "$fleet" attach --project "$project" "$key"
