#!/usr/bin/env bash
# Builds the guest's only program and packs it into an initramfs in the cache. Run with --help.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here

usage() {
	cat <<'TEXT'
usage: build.sh [--arch x86_64|i386] [--cache DIR] [--cc COMPILER]

Prints, on stdout:
  initramfs=  a compressed cpio archive: /init, /dev/console and mount points
  init=       the program in it, with its symbols
A second call with the same input returns at once.

  --cache   default: $REHEAT_CACHE, else ${XDG_CACHE_HOME:-~/.cache}/reheat
  --cc      default: gcc
TEXT
}

fail() {
	printf '%s\n' "init/$arch: $*" >&2
	exit 1
}

require_tools() {
	local missing=() pair
	for pair in "$cc:$cc" gzip:gzip sha256sum:coreutils; do
		command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
	done
	if ((${#missing[@]} == 0)) && ! echo 'int main(void) { return 0; }' | "$cc" "${flags[@]}" -x c - -o /dev/null 2>/dev/null; then
		[[ $arch == i386 ]] && missing+=(gcc-multilib libc6-dev-i386) || missing+=(libc6-dev)
	fi
	((${#missing[@]} == 0)) || fail "missing: ${missing[*]} — install them with: apt-get install ${missing[*]}"
}

# One entry of a "newc" archive: name, mode, file with its content (or /dev/null), device numbers. Owner, time and inode are
# fixed, so that the same program gives the same archive; nothing here needs root, as mknod would.
inode=0
entry() {
	local name=$1 mode=$2 content=${3:-/dev/null} major=${4:-0} minor=${5:-0} size=0
	[[ $content == /dev/null ]] || size=$(stat -Lc %s "$content")
	inode=$((inode + 1))
	printf '070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\0' \
		"$inode" "$mode" 0 0 1 0 "$size" 0 0 "$major" "$minor" "$((${#name} + 1))" 0 "$name"
	zeroes $(((4 - (110 + ${#name} + 1) % 4) % 4))
	cat "$content"
	zeroes $(((4 - size % 4) % 4))
}

zeroes() { head -c "$1" /dev/zero; }

archive() {
	local directory
	for directory in dev proc sys; do
		entry "$directory" $((8#040755))
	done
	entry dev/console $((8#020600)) /dev/null 5 1
	entry init $((8#100755)) "$1"
	entry 'TRAILER!!!' 0
}

arch=x86_64
cache=${REHEAT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/reheat}
cc=gcc
while (($#)); do
	case $1 in
	--arch) arch=${2?--arch needs a value} && shift 2 ;;
	--cache) cache=${2?--cache needs a value} && shift 2 ;;
	--cc) cc=${2?--cc needs a value} && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
done
flags=(-static -O2 -Wall -Wextra -Werror)
case $arch in
x86_64) flags+=(-m64) ;;
i386) flags+=(-m32) ;;
*) usage >&2 && exit 2 ;;
esac

require_tools
sources=("$here"/*.c)
key=$({
	"$cc" --version | head -n 1
	echo "${flags[*]}"
	cat "$here/build.sh" "$here"/*.[ch]
} | sha256sum | cut -c 1-16)
mkdir -p "$cache/guests"
dir=$(cd "$cache/guests" && pwd)/init-$arch-$key

if [[ ! -d $dir ]]; then
	# Two callers may do this at once: the one that comes second finds the name taken and uses what is there.
	new=$(mktemp -d "$dir.XXXXXX")
	trap 'rm -rf "$new"' EXIT
	(cd "$here" && "$cc" "${flags[@]}" -pthread "${sources[@]##*/}" -o "$new/init")
	archive "$new/init" | gzip -9n >"$new/initramfs.cpio.gz"
	chmod 755 "$new"
	mv -T "$new" "$dir" 2>/dev/null || [[ -f $dir/initramfs.cpio.gz ]]
fi
printf '%s\n' "initramfs=$dir/initramfs.cpio.gz" "init=$dir/init"
