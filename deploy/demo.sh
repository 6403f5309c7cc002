#!/usr/bin/env bash
# Reheat's main job on a fresh machine: builds a real Linux kernel, boots it under the QEMU wedge, streams every trapped device access into
# PostgreSQL, and prints the annotation list that the next build of that kernel would read. Run with --help.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
usage() {
	cat <<'TEXT'
usage: deploy/demo.sh [--variant demo|tiny] [--rounds N] [--smp N] [--keep]

Installs what is missing, builds Reheat and a Linux 6.1 guest (cached for the next run), runs the loop and writes
artifacts/demo.json, artifacts/demo.annotations and artifacts/demo.console.

  --variant   the kernel: demo (default, what makes a distribution's kernel hard) or tiny (quick to build)
  --rounds    how much work the guest does (default 1)
  --smp       the guest's processors (default 2)
  --keep      leave the collector and its database running at the end, to look around
TEXT
}

variant=demo rounds=1 smp=2 keep=0
while (($#)); do
	case $1 in
	--variant) variant=${2?--variant needs a value} && shift 2 ;;
	--rounds) rounds=${2?--rounds needs a value} && shift 2 ;;
	--smp) smp=${2?--smp needs a value} && shift 2 ;;
	--keep) keep=1 && shift ;;
	-h | --help) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
done

artifacts=$root/artifacts
state='' up='' began=$SECONDS
step=0
readonly steps=7

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
		printf '\nThe collector goes on at %s (process %s, database socket %s/run).\n' "$REHEAT_COLLECTOR" "$up" "$state"
		return
	fi
	if [[ -n $up ]]; then
		kill -TERM "$up" 2>/dev/null || true # not INT: a script's background processes ignore it
		wait "$up" 2>/dev/null || true
	fi
	[[ -z $state ]] || rm -rf "$state"
}
trap finish EXIT

# A number of a JSON document that has one member a line.
number() { sed -n "s/^ *\"$1\": \([0-9.]*\),\{0,1\}$/\1/p" "$2" | head -n 1; }

ask() { psql -X -h "$state/run" -U reheat -d reheat -qAt -v ON_ERROR_STOP=1 -c 'SET ROLE reheat_reader' -c "$1"; }

mkdir -p "$artifacts"
say "Tools"
"$root/deploy/setup.sh" "$root/deploy/packages.txt" "$root/deploy/guests/packages.txt"
echo "all there"

say "Reheat"
dotnet build "$root/services/cli" -c Release -v quiet -nologo -clp:NoSummary || fail "the build failed"
reheat=$root/services/cli/bin/Release/net10.0/reheat
"$reheat" --version | sed 's/^/reheat /'

say "Linux 6.1 from Debian's linux-source-6.1, and an init (cached)"
"$root/deploy/guests/linux/build.sh" --variant "$variant" >"$artifacts/demo.guest"
"$root/deploy/guests/init/build.sh" >>"$artifacts/demo.guest"
value() { sed -n "s/^$1=//p" "$artifacts/demo.guest"; }
vmlinux=$(value vmlinux) bzimage=$(value bzImage) initramfs=$(value initramfs)
echo "$(value objects) objects, built in $(value seconds) s: $vmlinux"

say "Collector, recompiler and a private PostgreSQL"
state=$(mktemp -u "${TMPDIR:-/tmp}/reheat-demo-XXXXXX")
address=$artifacts/demo.address
rm -f "$address"
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

say "The guest boots under the wedge"
series=demo-linux-6.1-$variant
"$reheat" guest run --image "$vmlinux" --series "$series" --console "$artifacts/demo.console" --json -- \
	-machine pc -accel tcg,thread=multi -cpu max -smp "$smp" -m 256 \
	-nodefaults -no-user-config -no-reboot -display none -vga std -serial stdio -monitor none \
	-netdev user,id=n0,restrict=on -device e1000,netdev=n0 \
	-kernel "$bzimage" -initrd "$initramfs" \
	-append "console=tty0 console=ttyS0 nokaslr panic=-1 reheat.rounds=$rounds" >"$artifacts/demo.run.json" ||
	fail "the guest did not run, see artifacts/demo.console"
tr -d '\r' <"$artifacts/demo.console" | grep -a '^reheat:' | sed 's/^/    /'
grep -qax $'reheat: done\r\{0,1\}' "$artifacts/demo.console" || fail "the guest did not finish, see artifacts/demo.console"

say "The annotation list"
"$reheat" annotations pull --series "$series" --wait -o "$artifacts/demo.annotations"
awk '!/^  sketch / && n++ < 14 { print "    " $0 }' "$artifacts/demo.annotations"
echo "    …"

say "What trapped"
"$reheat" sites --series "$series" --per-target 7 -n 40
"$reheat" coverage --series "$series"

recorded=$(number traps_recorded "$artifacts/demo.run.json")
outside=$(number outside_images "$artifacts/demo.run.json")
stored=$(ask "SELECT coalesce(sum(traps), 0) FROM reheat.sites WHERE series = '$series'")
dropped=$(ask "SELECT coalesce(sum(dropped), 0) FROM reheat.accounting")
sites=$(ask "SELECT count(DISTINCT (build_id, address)) FROM reheat.sites WHERE series = '$series'")
refused=$(ask "SELECT count(DISTINCT (build_id, address)) FROM reheat.sites WHERE series = '$series' AND state LIKE 'refused%'")
annotations=$(tail -n 1 "$artifacts/demo.annotations" | sed -n 's/^end //p')
seconds=$((SECONDS - began))
cat >"$artifacts/demo.json" <<JSON
{
  "traps_recorded": $recorded,
  "traps_stored": $stored,
  "traps_dropped": $dropped,
  "outside_images": $outside,
  "sites": $sites,
  "annotations": $annotations,
  "refused": $refused,
  "boot_seconds": $(number seconds "$artifacts/demo.run.json"),
  "seconds": $seconds
}
JSON
printf '\n%s traps recorded by the wedge = %s stored + %s dropped; %s more by code outside the kernel (firmware).\n' \
	"$recorded" "$stored" "$dropped" "$outside"
printf '%s sites, %s annotations in artifacts/demo.annotations; figures in artifacts/demo.json. %s s in all.\n' "$sites" "$annotations" "$seconds"
((stored + dropped == recorded)) || fail "the account does not balance"
