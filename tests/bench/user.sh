#!/bin/sh
# What an access costs under the user-mode wedge: trapped, rewritten, and to plain memory, in one run.
#
#	user.sh [--json FILE]
exec python3 "$(dirname "$0")/user.py" "$@"
