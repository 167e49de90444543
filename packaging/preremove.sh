#!/bin/sh
# Before the package goes; not on an upgrade (rpm says 1, dpkg says "upgrade").
set -e
case "$1" in
1 | upgrade | failed-upgrade) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
	systemctl disable --now advosync.timer advosync-watch.service || true
	systemctl stop advosync.service || true
fi
