#!/usr/bin/env bash
# Benchmarks, each against a baseline measured in the same run.
#
#   tests/bench.sh [ingest|wedge|user|assemble|ring|kvm] [--json FILE] [OPTION...]
#
#   ingest    what a collector commits: fed by ring and agent, by unfolded columns, by thousands of quiet streams; beside a bare gRPC stream and COPY
#             (--only unfolded|chain|fleet, --streams N, --seconds S, --rounds N)
#   wedge     what the QEMU wedge costs: boots of one guest without it, with devices alone and with page tables, alternately
#             (--boots N, --smp N)
#   user      what an access costs under the user-mode wedge: trapped, rewritten, and to plain memory
#   assemble  what reheat-as costs: compiles without a list, objects with sites, a second pass against the first build
#             (--rounds N, --objects N, --variant tiny|demo, --annotations FILE, --prefix DIR; --quick: no whole builds)
#   ring      what a record costs: a push by the wedge, reading and folding by the agent (--rounds N, --records N, --seconds S)
#   kvm       what importing a KVM host's trace costs, on one processor (--lines N, --rounds N; --pipe-bytes N: memory of a long pipe; --reheat PROGRAM)
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
ingest)
	shift
	"$root/deploy/setup.sh" "$root/deploy/packages.txt" "$root/deploy/guests/packages.txt" "$root/tests/packages.txt"
	[[ " $* " == *' --image '* ]] || "$root/deploy/guests/linux/build.sh" --variant tiny >/dev/null
	for project in services/collector services/cli tests/bench/ingest; do
		dotnet build "$root/$project" -c Release -nologo -v quiet
	done
	exec "$root/tests/bench/ingest.sh" "$@"
	;;
user)
	shift
	"$root/deploy/setup.sh" "$root/deploy/packages.txt" "$root/tests/packages.txt"
	exec "$root/tests/bench/user.sh" "$@"
	;;
assemble)
	shift
	"$root/deploy/setup.sh" "$root/deploy/packages.txt" "$root/deploy/guests/packages.txt" "$root/tests/packages.txt"
	prefix=$root/artifacts/install
	[[ " $* " == *' --prefix '* ]] || "$root/deploy/install.sh" --prefix "$prefix" >/dev/null
	exec "$root/tests/bench/assemble.sh" --prefix "$prefix" "$@"
	;;
ring)
	shift
	"$root/deploy/setup.sh" "$root/deploy/packages.txt" "$root/tests/packages.txt"
	exec "$root/tests/bench/ring.sh" "$@"
	;;
kvm)
	shift
	"$root/deploy/setup.sh" "$root/deploy/packages.txt" "$root/tests/packages.txt"
	prefix=$root/artifacts/install
	[[ " $* " == *' --reheat '* ]] || "$root/deploy/install.sh" --prefix "$prefix" >/dev/null
	exec "$root/tests/bench/kvm.sh" --reheat "$prefix/bin/reheat" "$@"
	;;
-h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0" ;;
*)
	echo "unknown benchmark $1; see tests/bench.sh --help" >&2
	exit 2
	;;
esac
