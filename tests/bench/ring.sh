#!/bin/sh
# What a record costs in the ring: a push by the wedge, and reading, naming and folding by the agent.
#
#	ring.sh [--json FILE] [--rounds N] [--records N] [--seconds S]
#
# N is a power of two. Run through tests/bench.sh, which installs what is needed.
exec python3 "$(dirname "$0")/ring.py" "$@"
