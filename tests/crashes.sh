#!/usr/bin/env bash
# The long runs of what tests/run.sh does briefly: every line of what they did, and at the end whether it held.
#
#   tests/crashes.sh chaos [--faults N] [--seed N]    everything that can fail does, at random, while records flow; then each record must
#                                                     be counted once (default: 200 faults, some 10 minutes)
#   tests/crashes.sh fuzz [--seconds N] [--seed N]    whatever bytes there are are sent to a collector, which must stay up, bounded, and
#                                                     serve others (default: 600 seconds)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root tests=$root/tests/Reheat.Loop.Tests

usage() {
	sed -n '2,7s/^# \{0,1\}//p' "$0"
	exit "$1"
}

fail() {
	echo "tests/crashes.sh: $1" >&2
	exit 2
}

what=${1-}
case $what in
chaos) class=ChaosTests REHEAT_FAULTS=200 && export REHEAT_FAULTS ;;
fuzz) class=FuzzTests REHEAT_FUZZ_SECONDS=600 && export REHEAT_FUZZ_SECONDS ;;
-h | --help) usage 0 ;;
*) usage 2 >&2 ;;
esac
shift
while (($#)); do
	[[ ${2-} =~ ^[0-9]+$ ]] || fail "$1 needs a number, not \"${2-}\""
	case $what$1 in
	chaos--faults) REHEAT_FAULTS=$2 ;;
	fuzz--seconds) REHEAT_FUZZ_SECONDS=$2 ;;
	chaos--seed | fuzz--seed) export REHEAT_SEED=$2 ;;
	*) fail "$what takes no $1; see --help" ;;
	esac
	shift 2
done

"$root/deploy/setup.sh" "$root/deploy/packages.txt" "$root/tests/packages.txt"
dotnet build "$tests" -c Release -nologo -v quiet
exec "$tests/bin/Release/net10.0/Reheat.Loop.Tests" -class "Reheat.Loop.Tests.Crashes.$class" -showLiveOutput
