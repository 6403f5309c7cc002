#!/usr/bin/env bash
# Benchmarks, each against a baseline measured in the same run.
#
#   tests/bench.sh [wedge] [--json FILE] [OPTION...]
#
#   wedge     what the QEMU wedge costs: boots of one guest with it and without, alternately (--boots N, --smp N)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
case ${1-wedge} in
wedge)
	(($# == 0)) || shift
	"$root/deploy/setup.sh" "$root/deploy/packages.txt" "$root/deploy/guests/packages.txt" "$root/tests/packages.txt"
	"$root/deploy/guests/linux/build.sh" --variant tiny >/dev/null
	"$root/deploy/guests/init/build.sh" >/dev/null
	exec "$root/tests/bench/wedge.sh" "$@"
	;;
-h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0" ;;
*)
	echo "unknown benchmark $1; see tests/bench.sh --help" >&2
	exit 2
	;;
esac
