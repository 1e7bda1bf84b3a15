
# Adds the agent to status.json. No text in it is an agent's: numbers, times and words of this script.
describe() {
	beat_json='' session_json='' reason_json=''
	[ "$beat" -eq 0 ] || beat_json=",\"lastBeat\":\"$(seconds "$beat")\""
	[ -z "$reason" ] || reason_json=",\"reason\":\"$reason\""
	number=$(timeout 5 readlink "$own/session" 2>/dev/null)
	began=$(stat -c %Y "$own/session" 2>/dev/null)
	if digits "$number" && digits "$began" && [ "${number#0}" = "$number" ]; then
		session_json=",\"session\":{\"n\":$number,\"kind\":\"session\",\"start\":\"$(seconds "$began")\"}"
	fi
	agents_json="$agents_json${agents_json:+,}
    {\"key\":\"$key\",\"user\":\"$user\",\"unit\":\"$unit\",\"state\":\"$condition\"$reason_json$session_json$beat_json$gate_json,
     \"healthy\":$fit}"
}

# verdict STATUS SUBJECT TEXT: what is so of a part of the project that is no agent.
verdict() {
	if [ "$1" -eq 0 ]; then
		good "$2" "$3"
	else
		bad "$2" "not so: $3"
		healthy=false reasons="$reasons${reasons:+,}\"not so: $3\""
	fi
}

# The firewall heals itself; this is for when it does not.
wall() {
	if ! systemctl is-active --quiet "$firewall"; then
		switching || timeout 60 systemctl start "$firewall"
	elif ! nft list table inet "$table" >/dev/null 2>&1; then
		switching || timeout 60 systemctl reload "$firewall"
	fi
	systemctl is-active --quiet "$firewall" && nft list table inet "$table" >/dev/null 2>&1
	verdict $? firewall "the firewall holds the table $table"
}

room() {
	for folder in /home "$state"; do
		[ "$(df -P -- "$folder" 2>/dev/null | awk 'NR == 2 { print $5 + 0 }')" -lt 95 ]
		verdict $? "room${folder##*/}" "the file system of $folder has room"
	done
}

# Kills for want of memory since the last run, which the kernel or systemd made and PID 1 told of.
kills() {
	stored memory.since
	store memory.since "$now"
	[ "$value" -ne 0 ] || return 0
	killed=$(journalctl -q --since "@$value" -o cat --output-fields=UNIT _PID=1 \
		MESSAGE_ID=fe6faa94e7774663a0da52717891d8ef 2>/dev/null | sort | uniq -c)
	while read -r times name; do
		case $name in "fleet-$project-"*) alarm "ALERT: $name ran out of memory $times times" ;; esac
	done <<-END
		$killed
	END
}

speech() {
	[ -n "$chat" ] || return 0
	systemctl is-active --quiet "$chat_socket"
	verdict $? chat 'the chat takes what is said'
}

# announce says in the chat what this run and those before it had to say, in one message. What the chat does not take is
# kept for the next run, up to a size: the journal has it all.
announce() {
	[ -n "$chat" ] || return 0
	alarms=$(cat "$notes/unsaid" 2>/dev/null)${alarms:+
$alarms}
	[ -n "$alarms" ] || return 0
	if printf '%s' "$alarms" | timeout 20 "$chat" post --socket "$run/chat.sock" --wait 10s - 2>/dev/null; then
		rm -f "$notes/unsaid"
	else
		printf '%s' "$alarms" | tail -c 8000 >"$notes/unsaid"
		say 4 'the chat took no alert: the next run tries again'
	fi
}

# Measures homes and records, within two minutes for all together: the next run goes on after the agent that was last.
# Whoever uses more than its limit is stopped, and so is one whose files cannot be counted again and again.
measure() {
	deadline=$((now + 120))
	last=$(cat "$notes/measured" 2>/dev/null)
	turn=$(printf '%s\n' "$agents" | awk -v last="$last" '
		{ line[NR] = $0 }
		$1 == last { at = NR }
		END { for (i = 1; i <= NR; i++) print line[(at + i - 1) % NR + 1] }')
	while read -r key unit user limit; do
		if [ "$limit" -eq 0 ] || [ -e "$state/stopped/$key" ]; then continue; fi
		left=$((deadline - $(date +%s)))
		[ "$left" -ge 5 ] || return 0
		used=$(timeout "$((left < 60 ? left : 60))" nice -n 19 du -scxB1 -- "/home/$user" "$state/records/$key" 2>/dev/null |
			awk 'END { print $1 }')
		store measured "$key"
		if [ -z "${used##*[!0-9]*}" ]; then
			bad "$key.disk" "the files of agent $key cannot be counted in a minute"
			[ "$failed" -lt "$alert_after" ] || halt 'its files cannot be counted'
		elif [ "$used" -gt "$limit" ]; then
			halt "it uses $used bytes of disk, its limit is $limit"
		else
			good "$key.disk" "the disk use of agent $key"
		fi
	done <<-END
		$turn
	END
}

# The number that a link of ours to a generation names.
generation() {
	number=$(readlink "$1" 2>/dev/null)
	number=${number##*/}
	digits "$number" || number=0
	echo "$number"
}

publish() {
	active=$(generation "$run/active") boot=$(generation "/etc/fleet/$project/boot") confirmed=unconfirmed
	[ "$active" != "$boot" ] || confirmed=confirmed
	id=$(sed -n 's/^ *"id": *"\([0-9a-f]\{64\}\)".*/\1/p; 30q' "$run/active/manifest.json" 2>/dev/null)
	cat >"$notes/status.json" <<-END
		{"version":1,"project":"$project","time":"$(seconds "$now")","source":"watchdog",
		 "generation":{"number":$active,"id":"$id","state":"$confirmed","boot":$boot},
		 "drift":[],"agents":[$agents_json],
		 "healthy":$healthy,"reasons":[$reasons]}
	END
	chgrp "$operators" "$notes/status.json" 2>/dev/null
	chmod 0640 "$notes/status.json"
	mv -f "$notes/status.json" "$run/status.json"
}

tell() {
	curl -fsS -m 10 -o /dev/null -- "$1" 2>/dev/null || wget -q -T 10 -t 1 -O /dev/null -- "$1" 2>/dev/null ||
		say 4 "the heartbeat address cannot be reached"
}

if switching; then
	say 6 'a switch is in progress: nothing is looked at'
	exit 0
fi
survey
while read -r key unit user limit; do
	[ -z "$key" ] || { look && way_out && describe; }
done <<END
$agents
END
while read -r key unit user; do
	own=/nonexistent condition=disabled reason='' fit=true beat=0 gate_json=''
	[ -z "$key" ] || describe
done <<END
$disabled
END
while read -r key; do
	[ -z "$key" ] || box_out
done <<END
$boxes
END
wall
room
kills
speech
publish
measure
announce
[ -z "$heartbeat_url" ] || [ "$healthy" != true ] || tell "$heartbeat_url"
exit 0
