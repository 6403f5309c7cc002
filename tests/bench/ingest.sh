#!/bin/sh
# What a collector takes from a fleet: see ingest.py --help. Run through tests/bench.sh, which installs and builds what is needed.
exec python3 "$(dirname "$0")/ingest.py" "$@"
