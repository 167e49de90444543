#!/bin/sh
# After installing a package. The timer is not switched on here: first comes a
# configuration, then a look (advosync check), then
#   systemctl enable --now advosync.timer
set -e
if command -v systemd-sysusers >/dev/null 2>&1; then
	systemd-sysusers advosync.conf
elif ! getent passwd advosync >/dev/null 2>&1; then
	useradd --system --home-dir /var/lib/advosync --shell /usr/sbin/nologin advosync
fi
# Secrets live here: for root and the service only.
chgrp advosync /etc/advosync
chmod 0750 /etc/advosync
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
