#!/bin/sh
# What importing a KVM host's trace costs: lines and bytes a second on one processor, and memory.
#
#	kvm.sh [--json FILE] [--lines N] [--rounds N] [--pipe-bytes N] [--reheat PROGRAM]
#
# Run through tests/bench.sh, which builds what is measured.
exec python3 "$(dirname "$0")/kvm.py" "$@"
