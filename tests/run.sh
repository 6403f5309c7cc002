#!/usr/bin/env bash
# Sets up what is missing and runs all tests. Last line: N passed, N failed, N skipped.
#
#   tests/run.sh [--long]     --long: the full counts of boots (5 plain ones, 5 compared with QEMU's trace, 30 with four processors), a second
#                             pass over 40 units of a kernel, every object of a kernel for "without a list no byte changes", and a kernel with
#                             20,000 sites and all of its sensitive instructions annotated; three random programs a compiler; three rounds
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
boots=(REHEAT_EQUAL_BOOTS=2 REHEAT_SMP_BOOTS=3 REHEAT_PLAIN_BOOTS=2) long=0
case ${1-} in
'') ;;
--long) boots=(REHEAT_EQUAL_BOOTS=5 REHEAT_SMP_BOOTS=30 REHEAT_PLAIN_BOOTS=5 REHEAT_ROUNDS=3) long=1 && export REHEAT_SEEDS=3 ;;
-h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0" && exit 0 ;;
*) echo "usage: tests/run.sh [--long]" >&2 && exit 2 ;;
esac

# Programs that live for seconds do not get back what profiling themselves costs.
export DOTNET_TieredPGO=0

logs=$root/artifacts/tests
mkdir -p "$logs"

# What several lanes say comes out piece by piece, and what they count is added up at the end: a line "passed failed skipped" each.
said() { flock "$logs/said" cat; }
count() { echo "$*" >>"$logs/counts"; }

# One check that has no counts of its own.
check() {
	local name=$1 began=$SECONDS
	shift
	if "$@" >"$logs/$name.log" 2>&1; then
		count 1 0 0
		printf 'ok    %s (%d s)\n' "$name" $((SECONDS - began)) | said
	else
		count 0 1 0
		{
			printf 'FAIL  %s (%d s)\n' "$name" $((SECONDS - began))
			tail -n 30 "$logs/$name.log"
		} | said
		return 1
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
	count "$@"
	if (($2)); then
		{
			printf 'FAIL  %s: %d passed, %d failed, %d skipped (%d s, %d s of processors)\n' "$name" "$1" "$2" "$3" $((SECONDS - began)) "$spent"
			grep -aE 'FAIL|\[FAIL\]|error' "$logs/$name.log" | head -n 40 || true
			tail -n 40 "$logs/$name.log"
		} | said
		return 1
	fi
	printf 'ok    %s: %d passed, %d skipped (%d s, %d s of processors)\n' "$name" "$1" "$3" $((SECONDS - began)) "$spent" | said
}

build_guest() {
	deploy/guests/linux/build.sh --variant tiny && deploy/guests/init/build.sh
}

# What needs the programs alone, and what needs a kernel, too; what takes long comes first.
plain=(Loop second Assembler Core wedge user Grpc)
kernel=(guest-second guest wedge-boots)
((!long)) || kernel+=(second-kernel guest-many)

run_suite() {
	case $1 in
	guest-second) suite "$1" env "${boots[@]}" tests/guest/run.py --reheat "$install/bin/reheat" second ;;
	guest) suite "$1" tests/guest/run.py --reheat "$install/bin/reheat" account list kills ends hits ;;
	guest-many) suite "$1" tests/guest/run.py --reheat "$install/bin/reheat" many ;;
	wedge-boots) suite "$1" env "${boots[@]}" tests/wedge/run.py --reheat "$install/bin/reheat" boots linux ;;
	wedge) suite "$1" tests/wedge/run.py --reheat "$install/bin/reheat" ring rmw guests hits tables ends conformance ;;
	second) suite "$1" tests/second/run.py --prefix "$install" linker objects plain interrupts bad ;;
	second-kernel) suite "$1" tests/second/run.py --prefix "$install" --long kernel identity ;;
	user) suite "$1" tests/user/run.py --prefix "$install" ;;
	Loop) suite "$1" env REHEAT_PROGRAM="$install/bin/reheat" "tests/Reheat.$1.Tests/bin/Release/net10.0/Reheat.$1.Tests" -noColor ;;
	*) suite "$1" "tests/Reheat.$1.Tests/bin/Release/net10.0/Reheat.$1.Tests" -noColor ;;
	esac || true # it is counted
}

# lane BEGINS-WITH: runs what no other lane has begun. A kernel takes minutes to build the first time.
lane() {
	local name ready order
	while true; do
		ready=$([[ ! -e $logs/kernel-ready ]] || echo "${kernel[@]}")
		if [[ $1 == kernel ]]; then order="$ready ${plain[*]}"; else order="${plain[*]} $ready"; fi
		for name in $order; do
			if mkdir "$logs/begun/$name" 2>"$logs/taken"; then
				run_suite "$name"
				continue 2
			fi
		done
		return 0
	done
}

# Beside the programs' build. Two lanes: a suite runs several processes itself, and on two processors a third lane makes each
# cost a third more of them (guest-second 341 s for 256, guest 249 s for 179), and guests' clocks stand still.
kernel_lane() {
	check guest-build build_guest || {
		echo "not run without it: ${kernel[*]}" | said
		return 0
	}
	until [[ -e $logs/installed ]]; do
		[[ ! -e $logs/given-up ]] || return 0
		sleep 1
	done
	touch "$logs/kernel-ready"
	lane kernel
}

finish() {
	wait
	awk '{ passed += $1; failed += $2; skipped += $3 } END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 || passed == 0 }' "$logs/counts"
	exit
}

"$root/deploy/setup.sh" "$root/deploy/packages.txt" "$root/deploy/guests/packages.txt" "$root/tests/packages.txt"
cd "$root"

# Processes in the background of a script ignore it.
trap 'trap - TERM; kill -TERM 0' INT

readonly install=$logs/install
rm -rf "$install" "$logs"/{counts,begun,installed,given-up,kernel-ready}
mkdir "$logs/begun"
kernel_lane &

# What is installed stays there for all that follows.
if ! check build dotnet build Reheat.slnx -c Release -nologo -v quiet || ! suite install tests/second/run.py --prefix "$install" install; then
	touch "$logs/given-up"
	finish
fi
touch "$logs/installed"

check compose env REHEAT_DB_PASSWORD=check docker-compose config -q || true
# What else "dotnet format" looks at, the build has: its rules are warnings there, and warnings errors.
check format dotnet format whitespace --folder . --exclude artifacts --verify-no-changes || true
((!long)) || check format-all dotnet format Reheat.slnx --verify-no-changes --no-restore || true
lane plain
finish
