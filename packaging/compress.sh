#!/bin/sh
# Puts man pages and changelog, compressed as distributions want them, below the
# directory that is named. Equal sources give equal files.
set -e
cd "$(dirname "$0")/.."
to="${1:?usage: compress.sh DIRECTORY}"
rm -rf "$to"
mkdir -p "$to/man"
for page in docs/man/*.1; do
	gzip -9n <"$page" >"$to/man/$(basename "$page").gz"
done
gzip -9n <CHANGELOG.md >"$to/changelog.gz"
