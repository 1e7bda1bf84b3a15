#!/bin/sh
# fleet's systemd generator, see systemd.generator(7). It is the same on every host and belongs to no project; do not edit.
#
# For each project it takes the generation that /run/fleet/PROJECT/active names, else the one that boots, else those that
# booted before, passing over what is not whole (programs aside, which the anchor proves) and copies its units: with
# links, a reload while `active` moves loaded a mix of two. It reads /etc and /run only: nothing else may be mounted yet.
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
umask 022
[ "${4-}" = limited ] || exec timeout -k 1 20 /bin/sh "$0" "$1" "$1" "$1" limited # PID 1 would wait for 90 s
exec </dev/null >/dev/null 2>&1
[ ! -e /run/fleet/.probe ] || echo '[Unit]' >"$1/fleetprobe.target"

whole() (cd "$1" && sum=$(sha256sum <files.sha256) && grep -qF "\"${sum%% *}\"" manifest.json && grep -v '^[0-9a-f]*  libexec/fleet-' files.sha256 | sha256sum --strict --status -c -)
anchor() { printf '[Unit]\nDescription=fleet: %s\nDefaultDependencies=no\nAfter=local-fs.target\nConflicts=shutdown.target\nBefore=shutdown.target\nRequiresMountsFor=/var/lib/fleet /home\nX-Fleet-Generation=%s\nX-Fleet-Damaged=%s\n[Service]\nType=oneshot\nRemainAfterExit=yes\nTimeoutStartSec=120\n' "$@"; }

for dir in /etc/fleet/*/; do
	p=${dir#/etc/fleet/}; p=${p%/}; good=''; bad=''
	case $p in [!a-z]* | *[!a-z0-9]*) continue ;; esac
	for link in "/run/fleet/$p/active" "${dir}boot" "${dir}boot.1" "${dir}boot.2"; do
		to=$(readlink "$link"); n=${to##*/}; g=/etc/fleet/$p/generations/$n
		case $n in '' | 0* | *[!0-9]*) continue ;; esac
		case $to in "$g" | "generations/$n") ;; *) continue ;; esac
		case "$bad " in *" $n "*) continue ;; esac
		whole "$g" && good=$n && break
		bad="$bad $n"
	done
	unit=$1/fleet-$p-anchor.service
	if [ "$good" ] && cp -RP "$g/units/." "$1/"; then
		{ anchor "generation $n of project $p is whole" "$n" "$bad" && cat; } >"$unit" <<-END
			ExecStart=/bin/sh -c '[ ! -s $g/store.sha256 ] || exec sha256sum --strict --quiet -c $g/store.sha256'
			ExecStart=-/bin/sh -c 'systemd-tmpfiles --create $g/tmpfiles.d/$p.conf; [ ! -f $g/libexec/own ] || exec sh $g/libexec/own $g/tmpfiles.d/$p.conf'
			ExecStart=/bin/sh -c 'mkdir -p /run/fleet/$p && { [ -L /run/fleet/$p/active ] || exec ln -s $g /run/fleet/$p/active; }'
		END
	elif [ "$good$bad" ]; then
		{ anchor "project $p has no whole generation" none "$bad" && echo "ExecStart=/bin/sh -c 'echo no whole generation: fleet verify tells what is wrong with$bad >&2; exit 1'"; } >"$unit"
		mkdir -p "$1/multi-user.target.wants" && ln -s "../${unit##*/}" "$1/multi-user.target.wants/"
	fi
done
