#!/bin/sh
# After installing or upgrading a package. The timer is not switched on here: first
# comes a configuration, then a look (advosync check), then
#   systemctl enable --now advosync.timer
# dpkg says "configure" and the version before, none the first time; rpm says 1 the
# first time.
set -e
etc="${DPKG_ROOT:-}/etc/advosync"
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers advosync.conf
elif ! getent passwd advosync >/dev/null 2>&1; then
	useradd --system --home-dir /var/lib/advosync --shell /usr/sbin/nologin advosync
fi
# Secrets live here: for root and the service only. An upgrade gives nobody more
# than the administrator has left, and never back what was taken away.
case "$1:$2" in
1:* | configure:) chgrp advosync "$etc" ;;
esac
chmod g-w,o-rwx "$etc"
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
