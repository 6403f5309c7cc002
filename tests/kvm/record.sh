#!/usr/bin/env bash
# Records what KVM's tracepoints tell of the guest of guest.S, in four forms.
#
#	record.sh DIR			records
#	record.sh --prepare DIR		only compiles
#
# Writes DIR/perf-script.txt, DIR/trace-cmd-report.txt, DIR/trace-cmd-raw.txt (its -R) and DIR/tracefs.txt. Needs root, /dev/kvm, linux-perf, trace-cmd and gcc -m32; what is compiled
# already may be in $REHEAT_KVM_PREPARED. Where there is no /dev/kvm, nested.py gives it one: so the texts were made that are kept in
# tests/Reheat.Loop.Tests/Kvm/recordings.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?usage: record.sh DIR}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

prepare() {
	gcc -O2 -Wall -Wextra -Werror -static -o "$work/kvm_guest" "$here/kvm_guest.c"
	gcc -m32 -c -o "$work/guest.o" "$here/guest.S"
	ld -m elf_i386 -Ttext=0x7000 -e flat_start -o "$work/guest.elf" "$work/guest.o"
	objcopy -O binary -j .text "$work/guest.elf" "$work/guest.bin"
	nm "$work/guest.elf" | awk '$3 == "flat_start" { print $1 }' >"$work/flat"
}

if [[ $out == --prepare ]]; then
	rmdir "$work" && work=${2:?} && trap - EXIT
	prepare && exit 0
elif [[ -n ${REHEAT_KVM_PREPARED-} ]]; then
	cp "$REHEAT_KVM_PREPARED"/* "$work"
else
	prepare
fi
mkdir -p "$out"
guest=("$work/kvm_guest" "$work/guest.bin" 7000 7000 "$(cat "$work/flat")")
events=(kvm_exit kvm_entry kvm_page_fault kvm_emulate_insn kvm_mmio kvm_fast_mmio kvm_userspace_exit)

perf record -q -e "$(printf 'kvm:%s,' "${events[@]}" | sed 's/,$//')" -o "$work/perf.data" "${guest[@]}" >/dev/null
perf script -i "$work/perf.data" >"$out/perf-script.txt"

trace-cmd record -q $(printf -- '-e %s ' "${events[@]}") -o "$work/trace.dat" "${guest[@]}" >/dev/null
trace-cmd report -i "$work/trace.dat" >"$out/trace-cmd-report.txt"
trace-cmd report -R -i "$work/trace.dat" >"$out/trace-cmd-raw.txt"

tracing=/sys/kernel/tracing
[[ -e $tracing/trace ]] || mount -t tracefs tracefs $tracing
echo 0 >$tracing/tracing_on
echo >$tracing/trace
for event in "${events[@]}"; do echo 1 >"$tracing/events/kvm/$event/enable"; done
echo 1 >$tracing/tracing_on
"${guest[@]}"
echo 0 >$tracing/tracing_on
for event in "${events[@]}"; do echo 0 >"$tracing/events/kvm/$event/enable"; done
cat $tracing/trace >"$out/tracefs.txt"
echo >$tracing/trace
