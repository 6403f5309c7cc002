#!/usr/bin/env bash
# Reheat's main job on a fresh machine, the whole loop on a real Linux kernel: profile, list, second compile, boot again, coverage before and
# after, until nothing changes any more. Run with --help.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
usage() {
	cat <<'TEXT'
usage: deploy/demo.sh [--variant demo|tiny] [--rounds N] [--smp N] [--keep]

Installs what is missing, builds Reheat and a Linux 6.1 guest (cached for the next run) and goes round the loop:
  boot under the QEMU wedge → traps in PostgreSQL → annotation list → second pass over the kernel's build → boot again
until the list stays the same. Writes artifacts/demo.json (the figures), demo.annotations (the list), demo.report.jsonl (what became of each site) and, of each boot,
demo.console* and demo.run*.json; also demo.guest, demo.up.log and demo.make.*.log, to look into when something fails.

  --variant   the kernel: demo (default, what makes a distribution's kernel hard) or tiny (quick to build)
  --rounds    how much work the guest does in each boot (default 6)
  --smp       the guest's processors (default 2)
  --keep      leave the collector, its database and the annotated build tree at the end, to look around
TEXT
}

wrong() {
	printf 'demo: %s\n' "$*" >&2
	exit 2
}

variant=demo work=6 smp=2 keep=0
while (($#)); do
	case $1 in
	--variant | --rounds | --smp)
		(($# > 1)) || wrong "$1 needs a value"
		case $1=$2 in
		--variant=demo | --variant=tiny) variant=$2 ;;
		--variant=*) wrong "--variant $2: expected demo or tiny" ;;
		*=[1-9] | *=[1-9][0-9]) [[ $1 == --smp ]] && smp=$2 || work=$2 ;;
		*) wrong "$1 $2: expected a number from 1 to 99" ;;
		esac
		shift 2
		;;
	--keep) keep=1 && shift ;;
	-h | --help) usage && exit 0 ;;
	*) wrong "what is $1? See deploy/demo.sh --help" ;;
	esac
done

export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1
readonly artifacts=$root/artifacts series=demo-linux-6.1-$variant most_rounds=3 steps=9
readonly page_tables="operation LIKE 'pt-%'"
state='' up='' began=$SECONDS step=0

say() {
	step=$((step + 1))
	printf '\n[%d/%d] %s\n' "$step" "$steps" "$*"
}

fail() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

finish() {
	local status=$?
	if ((keep)) && [[ -n $up ]] && ((status == 0)); then
		printf '\nThe collector goes on at %s (process %s, database socket %s/run); the annotated tree is %s.\n' "$REHEAT_COLLECTOR" "$up" "$state" "$tree"
		return
	fi
	if [[ -n $up ]]; then
		kill -TERM "$up" 2>/dev/null || true # not INT: a script's background processes ignore it
		wait "$up" 2>/dev/null || true
	fi
	[[ -z $state ]] || rm -rf "$state" "$state-linux"
}
trap finish EXIT

# A number of a JSON document that has one member a line.
number() { sed -n "s/^ *\"$1\": \([0-9.]*\),\{0,1\}$/\1/p" "$2" | head -n 1; }

ask() { psql -X -h "$state/run" -U reheat -d reheat -qAt -v ON_ERROR_STOP=1 -c 'SET ROLE reheat_reader' -c "$1"; }

# Tenths of a second since 1970.
tenths() {
	local now=$EPOCHREALTIME
	printf '%s' "${now%[.,]*}${now: -6:1}"
}

# The body without its provenance: what "the same list" means.
pull() { "$reheat" annotations pull --series "$series" --wait -o "$1"; }

# boot NAME VMLINUX BZIMAGE: under the wedge; its console must have the init's last word.
boot() {
	local console=$artifacts/demo.console$1
	"$reheat" guest run --image "$2" --series "$series" --console "$console" --json -- \
		-machine pc -accel tcg,thread=multi -cpu max -smp "$smp" -m 256 \
		-nodefaults -no-user-config -no-reboot -display none -vga std -serial stdio -monitor none \
		-netdev user,id=n0,restrict=on -device e1000,netdev=n0 \
		-kernel "$3" -initrd "$initramfs" \
		-append "console=tty0 console=ttyS0 nokaslr panic=-1 reheat.rounds=$work" >"$artifacts/demo.run$1.json" ||
		fail "the guest did not run, see $console"
	grep -qax $'reheat: done\r\{0,1\}' "$console" || fail "the guest did not finish, see $console"
}

transcript() { tr -d '\r' <"$artifacts/demo.console$1" | grep -a '^reheat:'; }

# Lines of source files that differ from the first build's tree. What is newer than the configuration there was generated: it is no source.
changed_source_lines() {
	local name first lines=0
	first=$(value build)
	while IFS= read -r -d '' name; do
		[[ -f $first/$name && ! $first/$name -nt $first/.config ]] || continue
		lines=$((lines + $(diff -a "$first/$name" "$tree/$name" | grep -ac '^[<>]' || true)))
	done < <(find "$tree" -type f -newer "$artifacts/demo.copied" -printf '%P\0')
	echo "$lines"
}

mkdir -p "$artifacts"
rm -f "$artifacts"/demo.*
say "Tools"
"$root/deploy/setup.sh" "$root/deploy/packages.txt" "$root/deploy/guests/packages.txt"
echo "all there"

say "Reheat"
"$root/deploy/install.sh" --prefix "$artifacts/install" | sed "s|^$root/||"
reheat=$artifacts/install/bin/reheat
"$reheat" --version | sed 's/^/reheat /'

say "Linux 6.1 from Debian's linux-source-6.1, and an init (cached)"
"$root/deploy/guests/linux/build.sh" --variant "$variant" >"$artifacts/demo.guest"
"$root/deploy/guests/init/build.sh" >>"$artifacts/demo.guest"
value() { sed -n "s/^$1=//p" "$artifacts/demo.guest"; }
initramfs=$(value initramfs)
echo "$(value objects) objects, built in $(value seconds) s: $(value vmlinux)"

say "Collector, recompiler and a private PostgreSQL"
state=$(mktemp -u "${TMPDIR:-/tmp}/reheat-demo-XXXXXX")
address=$artifacts/demo.address
"$reheat" up --data "$state" --listen 127.0.0.1:0 --address-file "$address" >"$artifacts/demo.up.log" 2>&1 &
up=$!
for ((i = 0; i < 600; i++)); do
	[[ ! -s $address ]] || break
	kill -0 "$up" 2>/dev/null || { cat "$artifacts/demo.up.log" >&2 && fail "the collector ended at once"; }
	sleep 0.1
done
[[ -s $address ]] || fail "the collector did not answer within a minute, see artifacts/demo.up.log"
REHEAT_COLLECTOR=$(cat "$address")
export REHEAT_COLLECTOR
echo "$REHEAT_COLLECTOR"

say "Profile: the kernel as it is boots under the wedge"
boot '' "$(value vmlinux)" "$(value bzImage)"
transcript '' | sed 's/^/    /'
recorded=$(number traps_recorded "$artifacts/demo.run.json")
stored=$(ask "SELECT coalesce(sum(traps), 0) FROM reheat.sites WHERE series = '$series'")
dropped=$(ask "SELECT coalesce(sum(dropped), 0) FROM reheat.accounting")
sites=$(ask "SELECT count(DISTINCT (build_id, address)) FROM reheat.sites WHERE series = '$series'")
tables_before=$(ask "SELECT coalesce(sum(traps), 0) FROM reheat.sites WHERE series = '$series' AND $page_tables")
((stored + dropped == recorded)) || fail "the account does not balance: $recorded recorded, $stored stored, $dropped dropped"
printf '%s traps recorded by the wedge = %s stored + %s dropped; %s more by code outside the kernel (firmware). %s are writes to page tables.\n' \
	"$recorded" "$stored" "$dropped" "$(number outside_images "$artifacts/demo.run.json")" "$tables_before"
"$reheat" sites --series "$series" --per-target 7 -n 64

say "The annotation list"
list=$artifacts/demo.annotations
pull "$list"
awk '!/^  sketch / && n++ < 14 { print "    " $0 }' "$list"
echo "    …"
annotations=$(sed -n '$s/^end //p' "$list")

tree=$state-linux
"$root/deploy/guests/linux/build.sh" --variant "$variant" --copy-to "$tree" >/dev/null
sync -f "$tree" # or the pass that is timed would pay for writing the copy
touch "$artifacts/demo.copied"
rounds='' fixpoint=0
for ((round = 1; round <= most_rounds; round++)); do
	if ((round == 1)); then
		say "Second pass: the same kernel, its $annotations sites annotated"
	else
		printf '\nRound %d: the list of the last boot differs, so the objects that it concerns are built again\n' "$round"
	fi
	began_pass=$(tenths)
	"$reheat" make --annotations "$list" --directory "$tree" --report "$artifacts/demo.report.jsonl" -- -j"$(nproc)" >"$artifacts/demo.make.$round.log" 2>&1 ||
		{ tail -n 20 "$artifacts/demo.make.$round.log" >&2 && fail "the second pass failed, see artifacts/demo.make.$round.log"; }
	pass_tenths=$(($(tenths) - began_pass))
	pass_seconds=$((pass_tenths / 10)).$((pass_tenths % 10))
	sed -n '/^listed  /,$p' "$artifacts/demo.make.$round.log"
	"$reheat" builds add --series "$series" --report "$artifacts/demo.report.jsonl" "$tree/vmlinux"

	((round > 1)) || say "The annotated kernel boots; the wedge sees which executions would not trap any more"
	boot ".$round" "$tree/vmlinux" "$tree/arch/x86/boot/bzImage"
	diff <(transcript '') <(transcript ".$round") >&2 || fail "the annotated kernel's transcript is another"
	pull "$artifacts/demo.annotations.$round"
	build=$(ask "SELECT max(build) FROM reheat.builds WHERE series = '$series'")
	hits=$(ask "SELECT coalesce(sum(hits), 0) FROM reheat.coverage WHERE build = $build")
	residual=$(ask "SELECT coalesce(sum(traps), 0) FROM reheat.coverage WHERE build = $build")
	tables=$(ask "SELECT coalesce(sum(hits), 0), coalesce(sum(traps), 0) FROM reheat.coverage WHERE build = $build AND $page_tables")
	coverage=$(ask "SELECT round((sum(hits) / nullif(sum(hits) + sum(traps), 0))::numeric, 6) FROM reheat.coverage WHERE build = $build")
	echo "round $round: $hits hits (${tables%|*} of page tables), $residual residual traps (${tables#*|}), coverage $coverage; second pass $pass_seconds s"
	rounds+="${rounds:+, }{ \"hits\": $hits, \"residual\": $residual, \"coverage\": $coverage, \"second_pass_seconds\": $pass_seconds }"
	if ((round == 1)); then
		hits_after=$hits residual_after=$residual coverage_after=$coverage tables_after=$tables first_pass_seconds=$pass_seconds
	fi
	if cmp -s "$list" "$artifacts/demo.annotations.$round"; then
		fixpoint=$round
		break
	fi
	diff "$list" "$artifacts/demo.annotations.$round" | grep '^[<>]' | grep -v sketch | head -n 8 || true
	cp "$artifacts/demo.annotations.$round" "$list"
done
((fixpoint)) || fail "no fixpoint after $most_rounds rounds"

say "Before and after"
"$reheat" coverage --series "$series"
refused=$(ask "SELECT coalesce(json_object_agg(reason, n), '{}') FROM (SELECT substr(state, 10) AS reason, count(DISTINCT (build_id, address)) AS n FROM reheat.sites WHERE build = $build AND state LIKE 'refused: %' GROUP BY 1 ORDER BY 1) r")
changed=$(changed_source_lines)
seconds=$((SECONDS - began))
cat >"$artifacts/demo.json" <<JSON
{
  "traps_recorded": $recorded,
  "traps_stored": $stored,
  "traps_dropped": $dropped,
  "outside_images": $(number outside_images "$artifacts/demo.run.json"),
  "sites": $sites,
  "annotations": $annotations,
  "traps_before": $stored,
  "hits_after": $hits_after,
  "residual_after": $residual_after,
  "coverage_after": $coverage_after,
  "page_tables": { "traps_before": $tables_before, "hits_after": ${tables_after%|*}, "residual_after": ${tables_after#*|} },
  "annotated": $(ask "SELECT count(DISTINCT (build_id, address)) FROM reheat.sites WHERE build = $build AND hits > 0"),
  "refused": $refused,
  "source_lines_changed": $changed,
  "first_build_seconds": $(value seconds),
  "second_pass_seconds": $first_pass_seconds,
  "rounds_to_fixpoint": $fixpoint,
  "rounds": [$rounds],
  "boot_seconds": $(number seconds "$artifacts/demo.run.json"),
  "seconds": $seconds
}
JSON
printf '\nTraps that a rewriting wedge would still take: %s before, %s after one round (coverage %s). Source lines changed: %s.\n' \
	"$stored" "$residual_after" "$coverage_after" "$changed"
printf 'The QEMU wedge observes and does not rewrite: a hit is an execution of an annotated site.\n'
printf 'First build %s s, second pass %s s (%s), fixpoint after %s round(s). Figures in artifacts/demo.json. %s s in all.\n' \
	"$(value seconds)" "$first_pass_seconds" "$(awk -v a="$first_pass_seconds" -v b="$(value seconds)" 'BEGIN { printf "%.1f%%", 100 * a / b }')" "$fixpoint" "$seconds"
