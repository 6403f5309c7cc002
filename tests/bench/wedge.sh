#!/bin/sh
# What the QEMU wedge costs: boots of one Linux without it, with devices alone, with writes to page tables, and with
# their reads too, alternately.
#
#	wedge.sh [--json FILE] [--boots N] [--smp N]
#
# REHEAT_KERNEL and REHEAT_INITRD name the guest; without them the tests' own choice (tests/wedge/kernel.py).
exec python3 "$(dirname "$0")/wedge.py" "$@"
