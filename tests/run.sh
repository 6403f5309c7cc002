#!/usr/bin/env bash
# Sets up what is missing and runs all tests. Last line: N passed, N failed, N skipped.
#
#   tests/run.sh [--long]     --long: the full counts of boots (5 plain ones, 5 compared with QEMU's trace, 30 with four processors), a second
#                             pass over 40 units of a kernel, every object of a kernel for "without a list no byte changes", and a kernel with
#                             20,000 sites and all of its sensitive instructions annotated; three random programs a compiler; three rounds
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
boots=(REHEAT_EQUAL_BOOTS=2 REHEAT_SMP_BOOTS=3 REHEAT_PLAIN_BOOTS=2 REHEAT_ROUNDS=2) long=0
case ${1-} in
'') ;;
--long) boots=(REHEAT_EQUAL_BOOTS=5 REHEAT_SMP_BOOTS=30 REHEAT_PLAIN_BOOTS=5 REHEAT_ROUNDS=3) long=1 && export REHEAT_SEEDS=3 ;;
-h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0" && exit 0 ;;
*) echo "usage: tests/run.sh [--long]" >&2 && exit 2 ;;
esac

passed=0 failed=0 skipped=0
logs=$root/artifacts/tests
mkdir -p "$logs"

# One check that has no counts of its own.
check() {
	local name=$1
	shift
	if "$@" >"$logs/$name.log" 2>&1; then
		passed=$((passed + 1))
		printf 'ok    %s\n' "$name"
	else
		failed=$((failed + 1))
		printf 'FAIL  %s\n' "$name"
		tail -n 30 "$logs/$name.log"
	fi
}

# Adds up a suite's closing line: ours, or the test runner's "Total: N, Errors: N, Failed: N, Skipped: N".
suite() {
	local name=$1 status=0 counts began=$SECONDS TIMEFORMAT='%U %S' spent
	shift
	# In a shell of its own: lanes that end meanwhile are not this suite's.
	( { time "$@" >"$logs/$name.log" 2>&1; } 2>"$logs/$name.time") || status=$?
	spent=$(awk 'END { printf "%d", $1 + $2 }' "$logs/$name.time")
	counts=$(sed -n \
		-e 's/\x1b\[[0-9;]*m//g' \
		-e 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' \
		-e 's/.*Total: \([0-9]*\), Errors: \([0-9]*\), Failed: \([0-9]*\), Skipped: \([0-9]*\).*/\1 \2 \3 \4 total/p' \
		"$logs/$name.log" | tail -n 1)
	local a b c d kind
	read -r a b c d kind <<<"$counts" || true
	if [[ ${kind-} == total ]]; then
		set -- $((a - b - c - d)) $((b + c)) "$d"
	elif [[ -n ${c-} ]]; then
		set -- "$a" "$b" "$c"
	else
		set -- 0 1 0 # it ended without a closing line
	fi
	((status == 0 || $2 > 0)) || set -- "$1" 1 "$3"
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
	if (($2)); then
		printf 'FAIL  %s: %d passed, %d failed, %d skipped (%d s, %d s of processors)\n' "$name" "$1" "$2" "$3" $((SECONDS - began)) "$spent"
		grep -aE 'FAIL|\[FAIL\]|error' "$logs/$name.log" | head -n 40 || true
		tail -n 40 "$logs/$name.log"
	else
		printf 'ok    %s: %d passed, %d skipped (%d s, %d s of processors)\n' "$name" "$1" "$3" $((SECONDS - began)) "$spent"
	fi
}

build_guest() {
	deploy/guests/linux/build.sh --variant tiny && deploy/guests/init/build.sh
}

# lane NAME FUNCTION: beside the rest, with sums of its own, until join NAME PID.
lane() {
	(
		passed=0 failed=0 skipped=0
		"$2"
		echo "$passed $failed $skipped" >"$logs/$1.sums"
	) >"$logs/$1.out" 2>&1 &
}

join() {
	local sums=(0 1 0) # it ended without its sums
	wait "$2" || true
	cat "$logs/$1.out"
	[[ ! -s $logs/$1.sums ]] || read -ra sums <"$logs/$1.sums"
	passed=$((passed + sums[0])) failed=$((failed + sums[1])) skipped=$((skipped + sums[2]))
}

# What needs a kernel, which takes minutes to build the first time, and the programs, which are built meanwhile.
kernel_lane() {
	check guest-build build_guest
	((failed == 0)) || return 0
	until [[ -e $logs/installed ]]; do
		[[ ! -e $logs/given-up ]] || return 0
		sleep 1
	done
	lane loop-lane loop_lane
	local loop=$!
	suite wedge-boots env "${boots[@]}" tests/wedge/run.py --reheat "$install/bin/reheat" boots linux
	suite guest tests/guest/run.py --reheat "$install/bin/reheat" account list kills ends hits
	((!long)) || suite second-kernel tests/second/run.py --prefix "$install" --long kernel identity
	((!long)) || suite guest-many tests/guest/run.py --reheat "$install/bin/reheat" many
	# Three lanes at most: on two processors a guest's clock stands still for too long with more.
	tools
	join loop-lane "$loop"
}

# What needs the programs and no kernel.
tools() {
	suite second tests/second/run.py --prefix "$install" linker objects plain interrupts bad
	suite wedge tests/wedge/run.py --reheat "$install/bin/reheat" ring rmw guests hits tables ends conformance
	suite user tests/user/run.py --prefix "$install"
}

# Mostly make, one after the other: boots of others fit between.
loop_lane() { suite guest-second env "${boots[@]}" tests/guest/run.py --reheat "$install/bin/reheat" second; }

finish() {
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	((failed == 0 && passed > 0)) || exit 1
	exit 0
}

"$root/deploy/setup.sh" "$root/deploy/packages.txt" "$root/deploy/guests/packages.txt" "$root/tests/packages.txt"
cd "$root"

readonly install=$logs/install
rm -rf "$install" "$logs"/*-lane.* "$logs/installed" "$logs/given-up"
lane kernel-lane kernel_lane
kernel=$!

check build dotnet build Reheat.slnx -c Release -nologo -v quiet
((failed)) || suite install tests/second/run.py --prefix "$install" install # and leaves it there for all that follows
if ((failed)); then
	touch "$logs/given-up"
	join kernel-lane "$kernel"
	finish
fi
touch "$logs/installed"

check compose env REHEAT_DB_PASSWORD=check docker-compose config -q
# What else "dotnet format" looks at, the build has: its rules are warnings there, and warnings errors.
check format dotnet format whitespace --folder . --exclude artifacts --verify-no-changes
((!long)) || check format-all dotnet format Reheat.slnx --verify-no-changes --no-restore
for project in Core Assembler Grpc Loop; do
	suite "$project" "tests/Reheat.$project.Tests/bin/Release/net10.0/Reheat.$project.Tests" -noColor
done
join kernel-lane "$kernel"
finish
