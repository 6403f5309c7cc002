#!/usr/bin/env bash
# Boots a guest without a wedge and prints its transcript: the lines that begin with "reheat:". Run with --help.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here

usage() {
	cat <<'TEXT'
usage: run-plain.sh [--variant demo|tiny|tiny32] [--kernel BZIMAGE] [--initramfs FILE] [--cache DIR]
                    [--log FILE] [--timeout SECONDS] [--append TEXT] [--print] [-- QEMU-OPTION...]

Builds what is not given (build.sh in linux/ and init/), boots it under QEMU and prints the guest's transcript on stdout.
Exit status: 0 if the transcript ends with "reheat: done", 1 if it does not, 124 if QEMU had to be stopped.

  --log      keep everything that the serial console showed
  --append   more for the kernel's command line: reheat.rounds=4
  --print    print QEMU's command line, one word a line, instead of running it
  --         what follows goes to QEMU, after its other options
TEXT
}

variant=tiny
kernel='' initramfs='' log='' append='' print=0 timeout=300
cache=${REHEAT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/reheat}
while (($#)); do
	case $1 in
	--variant) variant=${2?--variant needs a value} && shift 2 ;;
	--kernel) kernel=${2?--kernel needs a value} && shift 2 ;;
	--initramfs) initramfs=${2?--initramfs needs a value} && shift 2 ;;
	--cache) cache=${2?--cache needs a value} && shift 2 ;;
	--log) log=${2?--log needs a value} && shift 2 ;;
	--timeout) timeout=${2?--timeout needs a value} && shift 2 ;;
	--append) append=${2?--append needs a value} && shift 2 ;;
	--print) print=1 && shift ;;
	--) shift && break ;;
	-h | --help) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
done

command -v qemu-system-x86_64 >/dev/null || {
	echo "missing: qemu-system-x86 — install it with: apt-get install qemu-system-x86" >&2
	exit 1
}
arch=x86_64
[[ $variant != tiny32 ]] || arch=i386
[[ -n $kernel ]] || kernel=$("$here/linux/build.sh" --variant "$variant" --cache "$cache" | sed -n 's/^bzImage=//p')
[[ -n $initramfs ]] || initramfs=$("$here/init/build.sh" --arch "$arch" --cache "$cache" | sed -n 's/^initramfs=//p')

# Two consoles: the serial one carries the transcript, the VGA one is there for its text buffer. restrict=on keeps the guest
# from reaching anything but the gateway that QEMU itself plays.
qemu=(
	qemu-system-x86_64 -machine pc -accel "tcg,thread=multi" -cpu max -smp 2 -m 256
	-nodefaults -no-user-config -no-reboot -display none -vga std -serial stdio -monitor none
	-netdev "user,id=n0,restrict=on" -device "e1000,netdev=n0"
	-kernel "$kernel" -initrd "$initramfs"
	-append "console=tty0 console=ttyS0 nokaslr panic=-1${append:+ $append}"
	"$@"
)
if ((print)); then
	printf '%s\n' "${qemu[@]}"
	exit 0
fi

if [[ -z $log ]]; then
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
fi
status=0
timeout --kill-after 10 "$timeout" "${qemu[@]}" </dev/null >"$log" || status=$?
tr -d '\r' <"$log" | grep -a '^reheat:' || true
((status == 0)) || exit "$status"
tr -d '\r' <"$log" | grep -qax 'reheat: done' || {
	echo "the guest did not finish; its last words were:" >&2
	tail -n 5 "$log" >&2
	exit 1
}
