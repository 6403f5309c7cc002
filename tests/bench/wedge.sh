#!/bin/sh
# What the QEMU wedge costs: boots of one Linux without and with it, alternately.
#
#	wedge.sh [--json FILE] [--boots N] [--smp N]
#
# REHEAT_KERNEL and REHEAT_INITRD name the guest; without them the tests' own choice (tests/wedge/kernel.py).
exec python3 "$(dirname "$0")/wedge.py" "$@"
