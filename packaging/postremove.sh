#!/bin/sh
# After the package has gone. Configuration with its secrets, memory and the user
# stay: whether they are still needed is for the administrator to say.
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
