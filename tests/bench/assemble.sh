#!/bin/sh
# What the assembler stage costs: compiles without a list, assembles of objects with sites, a second pass against the first build.
#
#	assemble.sh [--json FILE] [--objects N] [--rounds N] [--variant tiny|demo] [--annotations FILE] [--prefix DIR] [--quick]
#
# --quick leaves out the whole builds. Run through tests/bench.sh, which installs what is measured.
exec python3 "$(dirname "$0")/assemble.py" "$@"
