#!/bin/sh
# After the package has gone. Configuration with its secrets, memory and the user
# stay: whether they are still needed is for the administrator to say. Debian's
# purge asks; without an answer, too, they stay. rpm has no such step.
set -e
etc="${DPKG_ROOT:-}/etc/advosync"
state="${DPKG_ROOT:-}/var/lib/advosync"
debconf="${DPKG_ROOT:-}/usr/share/debconf/confmodule"
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
[ "$1" = purge ] || exit 0
erase=false
if [ -e "$debconf" ]; then
	# From here on stdout is debconf's.
	. "$debconf"
	db_version 2.0
	db_input high advosync/erase || true
	db_go || true
	if db_get advosync/erase; then
		erase="$RET"
	fi
	db_purge || true
fi
if [ "$erase" = true ]; then
	for dir in "$etc" "$state"; do
		# What somebody has moved elsewhere is there, and perhaps not alone.
		if [ -L "$dir" ]; then
			echo "advosync: $dir was a link: secrets and client data stay in $(readlink -f "$dir")" >&2
		fi
		rm -rf "$dir"
	done
elif [ -e "$etc" ] || [ -e "$state" ]; then
	echo "advosync: secrets and client data stay: rm -r $etc $state erases them" >&2
fi
