
# What the gates' program tells of all gates, words and numbers alone: see `fleet-gate look`.
survey() {
	# shellcheck disable=SC2046 # keys are words
	told=$(timeout 30 "$gate" look "$run" "$state" $(printf '%s\n' "$agents" "$boxes" | awk 'NF { print $1 }')) || say 4 'the gates cannot be asked'
}

# words KEY: what was told of one.
words() {
	way=unknown allowed=0 denied=0 would=0 total=0 open=0 mode=- policy=- bypass=0 misplaced=0 lately=0
	while read -r name a b c d e f g h i j k; do
		[ "$name" = "$1" ] || continue
		way=$a allowed=$b denied=$c would=$d total=$e open=$f mode=${g:--} policy=${h:--} bypass=$i misplaced=$j lately=$k
	done <<-END
		$told
	END
	for value in "$allowed" "$denied" "$would" "$total" "$open" "$bypass" "$misplaced" "$lately"; do
		digits "$value" || allowed=0 denied=0 would=0 total=0 open=0 bypass=0 misplaced=0 lately=0
	done
}

# states UNIT...: both words for the state of each.
states() { systemctl show -p ActiveState -p SubState --value -- "$@" | tr -s '\n' ' '; }

# reopen SERVICE SOCKET...: systemd starts a service that failed no more, and the other one in vain whose sockets it closed
# when a reload did not find their units. Only a restart opens these again.
reopen() {
	! switching || return 0
	timeout 60 systemctl reset-failed -- "$@"
	shift
	[ $# -eq 0 ] || timeout 60 systemctl restart -- "$@"
}

# Sockets that a person stopped stay so.
doors() {
	socket=fleet-$project-$key-gate.socket service=fleet-$project-$key-gate.service
	case $(states "$socket" "$service") in
	failed* | *' failed'* | *' auto-restart'*)
		bad "$key.gate" "the gate of $who has failed: starting it again"
		reopen "$service" "$socket"
		door=failed
		;;
	active*) good "$key.gate" "the gate of $who" ;;
	*) door=failed why="the sockets of its gate are stopped" ;;
	esac
}

# A gate that runs must have the generation's policy in force.
current() {
	[ "$policy" != - ] || return 0
	wanted=$(sha256sum -- "$run/active/agents/$key/policy.json" 2>/dev/null)
	wanted=${wanted%% *}
	if [ -z "$wanted" ] || [ "$policy" = "$wanted" ]; then
		good "$key.policy" "the gate of $who has its policy"
		return
	fi
	bad "$key.policy" "the gate of $who has another policy than the generation: reloading it"
	switching || timeout 60 systemctl reload -- "$service" 2>/dev/null
	stale=true why='its gate has another policy than the generation'
}

# Without records a gate allows nothing new.
recorded() {
	if [ "$way" = mute ]; then
		bad "$key.mute" "the gate of $who allows nothing new: the journal takes none of its records, see systemd-journald@fleet-$project.service"
		why='its gate allows nothing new, since the journal takes none of its records' door=failed
	else
		good "$key.mute" "the journal takes the records of $who"
	fi
}

# Denials since the last run, by the gate's own count, which it begins anew when its state is lost.
burst() {
	stored "$key.denials" && before=$value
	[ -f "$notes/$key.denials" ] || before=$total
	store "$key.denials" "$total"
	new=$((total - before))
	if [ "$denied_alert" -gt 0 ] && [ "$new" -ge "$denied_alert" ]; then
		[ -e "$notes/$key.burst.told" ] ||
			alarm "ALERT: $who was denied $new requests since the last look; sudo fleet egress log $key --denied shows them"
		store "$key.burst.told" "$now"
		why="$new requests were denied since the last look"
	else
		good "$key.burst" "$who is denied less"
	fi
}

# A placeholder where no secret is put in is told at once: somebody may try to use the secret elsewhere. The first look
# after a boot, or after the counts were lost, tells of a day. The note's name is none that a stop of the agent removes.
tripwire() {
	stored "placeholders_$key" && before=$value
	[ -f "$notes/placeholders_$key" ] && [ "$before" -le "$misplaced" ] || before=$((misplaced - lately))
	store "placeholders_$key" "$misplaced"
	new=$((misplaced - before))
	if [ "$new" -gt 0 ]; then
		alarm "ALERT: $who sent the placeholder of a secret where it does not belong, $new times since the last look; sudo fleet egress log $key --denied shows where"
		store "$key.placeholder.told" "$now"
		why="it sent the placeholder of a secret where it does not belong, $new times since the last look"
	else
		good "$key.placeholder" "$who sends no placeholder where it does not belong any more"
	fi
}

# The way out of $key, whom $who names: mends what can be mended. A cut is a person's doing, and not healthy.
door() {
	door=idle why='' stale=false
	words "$key"
	doors
	current
	recorded
	burst
	tripwire
	if [ "$door" = failed ]; then
		:
	elif [ -e "$state/egress/cut/$key" ]; then
		door=cut why='it is cut off; fleet egress restore lets it go on'
	elif [ "$bypass" -gt 0 ]; then
		door=bypass
	else
		case $way in
		active) door=active ;;
		silent) door=failed why='its gate does not answer' ;;
		esac
	fi
	[ "$door" != failed ] || why=${why:-its gate has failed}
}

# Adds an agent's way out to status.json.
way_out() {
	who="agent $key" gate_json=''
	door
	[ "$door" != bypass ] || gate_json=",\"seconds\":$bypass"
	[ "$mode" = - ] || gate_json="$gate_json,\"mode\":\"$mode\""
	[ "$open" -eq 0 ] || gate_json="$gate_json,\"open\":$open"
	[ "$stale" = false ] || gate_json="$gate_json,\"stale\":true"
	gate_json=",\"gate\":{\"state\":\"$door\"$gate_json},\"egress\":{\"allowed\":$allowed,\"denied\":$denied,\"would\":$would}"
	[ -n "$why" ] || return 0
	reason=${reason:+$reason; }$why fit=false healthy=false
}

# A sidecar or the chat starts when somebody calls it.
daemon() {
	service=fleet-$project-$key.service
	case $(states "$service") in
	failed* | *' auto-restart'*)
		bad "$key.daemon" "$who has failed: starting it again"
		# shellcheck disable=SC2046 # names of units
		reopen "$service" $(systemctl show -p TriggeredBy --value -- "$service")
		why=${why:-it has failed}
		;;
	*) good "$key.daemon" "$who" ;;
	esac
}

# A sidecar, or the chat, and its way out: status.json has only what calls for a person.
box_out() {
	who="sidecar ${key#sidecar-}"
	[ "$key" != chat ] || who='the chat'
	door
	daemon
	[ -n "$why" ] || return 0
	healthy=false reasons="$reasons${reasons:+,}\"$who: $why\""
}
