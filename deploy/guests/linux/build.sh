#!/usr/bin/env bash
# Builds a guest kernel from Debian's linux-source-6.1 into a cache, once: the key is what goes in. Run with --help.
set -euo pipefail

# Part of the key: raise it when this script starts to build something else from the same input.
readonly script_version=3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
source_tar=${REHEAT_LINUX_SOURCE:-/usr/src/linux-source-6.1.tar.xz}

usage() {
	cat <<'TEXT'
usage: build.sh [--variant demo|tiny|tiny32] [--cache DIR] [--jobs N] [--copy-to DIR]

Builds Linux 6.1 for a guest and prints, on stdout, one name=value a line:
  build=    the build tree, kept: a plain `make` in it repeats the build exactly. With --copy-to a copy of it, for
            a second pass that leaves the cache as it is: DIR must not exist, and make rebuilds nothing there at first
  vmlinux=  bzImage=  modules=  config=
            images of the first pass (modules: a directory of .ko files), which a second pass in the build tree does not touch
  log=  objects=  seconds=      the build's output, objects compiled, seconds that the build took
Progress goes to stderr. A second call with the same input returns at once; an interrupted build goes on where it stopped.

  --variant   demo: what makes a distribution's kernel hard (default); tiny: quick to build; tiny32: tiny for i386
  --cache     default: $REHEAT_CACHE, else ${XDG_CACHE_HOME:-~/.cache}/reheat
  --jobs      default: number of processors
REHEAT_LINUX_SOURCE names another linux-source-6.1.tar.xz.
TEXT
}

say() { printf '%s\n' "linux/$variant: $*" >&2; }

fail() {
	say "$*"
	exit 1
}

# What is missing, by the name of the Debian package that has it.
require_tools() {
	local missing=() pair
	for pair in gcc:gcc make:make ld:binutils flex:flex bison:bison bc:bc xz:xz-utils tar:tar flock:util-linux; do
		command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
	done
	[[ -f $source_tar ]] || missing+=(linux-source-6.1)
	if command -v gcc >/dev/null; then
		echo '#include <libelf.h>' | gcc -E - >/dev/null 2>&1 || missing+=(libelf-dev)
		echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1 || missing+=(libc6-dev)
	fi
	((${#missing[@]} == 0)) || fail "missing: ${missing[*]} — install them with: apt-get install ${missing[*]}"
}

key_of_input() {
	{
		echo "script $script_version"
		sha256sum <"$source_tar"
		gcc --version | head -n 1
		as --version | head -n 1
		cat "${fragments[@]}"
	} | sha256sum | cut -c 1-16
}

# The parts of the source that no x86 guest can use are two thirds of it. Kconfig files stay: they are read whole.
unpack() {
	local unpacking=$dir/linux.unpacking
	say "unpacking $source_tar"
	rm -rf "$unpacking"
	mkdir -p "$unpacking"
	tar -xJf "$source_tar" -C "$unpacking" --strip-components 1 --wildcards \
		--exclude='*/drivers/gpu/drm/*.[ch]' --exclude='*/drivers/media/*.[ch]' --exclude='*/drivers/scsi/*.[ch]' \
		--exclude='*/drivers/staging/*.[ch]' --exclude='*/drivers/infiniband/*.[ch]' --exclude='*/sound/*.[ch]' \
		--exclude='*/arch/arm*/*.[chS]' --exclude='*/arch/*.dts*' --exclude='*/Documentation/*.rst' \
		--exclude='*/tools/testing/*' --exclude='*/tools/perf/*'
	mv "$unpacking" "$dir/linux"
}

# The compiler's own plugin for nm, or it loads every one that there is, for each object: clang's has all of LLVM behind it.
plugin() {
	local lto
	lto=$(gcc -print-file-name=liblto_plugin.so)
	[[ ! -f $lto ]] || printf '%s' "--plugin $lto"
}

# In the tree, so that whatever is made in it, or in a copy of it, has them too.
huge_pages() { gcc -O2 -shared -fPIC -o "$dir/linux/.huge-pages.so" "$here/huge_pages.c"; }

# kbuild starts a shell for each optional step of a rule, a check or a table of versions, also where the configuration has no such step: five an
# object compiled, one an object that is up to date. Later kernels do not. (All makes below read it first: MAKEFILES names it.)
write_first_makefile() {
	cat >"$dir/linux/.first.mk" <<'MAKE'
override cmd = @$(if $(strip $(cmd_$(1))),set -e; $(echo-cmd) $($(quiet)redirect) $(delete-on-interrupt) $(cmd_$(1)),:)
MAKE
}

# Everything that decides the outcome is in the tree, and none of it names this machine in the images: debug information gets
# a fixed directory for that of the tree. (Not by a response file: gcc would then hide the assembler's arguments in one, too.)
write_makefile() {
	cat >"$dir/linux/GNUmakefile" <<MAKE
# Written by Reheat. make reads this file before Makefile, so a plain make repeats the build.
export ARCH := $arch
export KBUILD_BUILD_TIMESTAMP := Thu Jan  1 00:00:00 UTC 1970
export KBUILD_BUILD_VERSION := 1
export KBUILD_BUILD_USER := reheat
export KBUILD_BUILD_HOST := reheat
export KCFLAGS := -fdebug-prefix-map=$dir/linux=/usr/src/linux-source-6.1
export KAFLAGS := \$(KCFLAGS)
export LC_ALL := C
override NM := nm $(plugin)
export LD_PRELOAD := \$(wildcard $dir/linux/.huge-pages.so) \$(LD_PRELOAD)
export GLIBC_TUNABLES := glibc.malloc.hugetlb=1
export MAKEFILES := $dir/linux/.first.mk
include .first.mk
include Makefile
MAKE
}

kernel_make() {
	env -u ARCH -u CC -u CROSS_COMPILE -u COMPILER_PATH -u KBUILD_OUTPUT -u KBUILD_EXTMOD -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
		-u O make -C "$dir/linux" --no-print-directory "$@"
}

configure() {
	local wanted=() line name
	cat "${fragments[@]}" >"$dir/fragments.asked"
	sed 's/ # may be absent$//' "$dir/fragments.asked" >"$dir/fragments"
	kernel_make KCONFIG_ALLCONFIG="$dir/fragments" allnoconfig >"$dir/config.log" 2>&1 ||
		fail "allnoconfig failed, see $dir/config.log"
	# An option whose dependencies are missing is dropped without a word: compare with what was asked for.
	while IFS= read -r line; do
		case $line in
		*'# may be absent') ;;
		CONFIG_*=*) grep -qxF -- "$line" "$dir/linux/.config" || wanted+=("$line") ;;
		'# CONFIG_'*' is not set')
			name=${line#'# '}
			! grep -q "^${name%% *}=" "$dir/linux/.config" || wanted+=("$line")
			;;
		esac
	done <"$dir/fragments.asked"
	((${#wanted[@]} == 0)) || fail "the kernel's configuration does not take: ${wanted[*]}"
}

# Reads make's output, tells how far it is: every object on a terminal, else a line every ten seconds.
progress() {
	local line='' step='' shown=-10 count=0 status
	while true; do
		status=0
		IFS= read -r -t 2 line || status=$?
		if ((status == 0)); then
			if [[ $line =~ ^\ \ ([A-Z0-9]+)\ (\[M\]\ )?\ *([^ ]+) ]]; then
				step="${BASH_REMATCH[1]} ${BASH_REMATCH[3]}"
				case ${BASH_REMATCH[1]} in CC | AS) count=$((count + 1)) ;; esac
			fi
		elif ((status <= 128)); then
			break
		fi
		if [[ -t 2 ]]; then
			printf '\r\033[Klinux/%s: %d of about %d objects, %d s, %.60s' "$variant" "$count" "$about" "$SECONDS" "$step" >&2
		elif ((SECONDS >= shown + 10)); then
			say "$count of about $about objects, $SECONDS s, $step"
			shown=$SECONDS
		fi
	done
	[[ ! -t 2 ]] || printf '\n' >&2
}

compile() {
	local status=0
	# An interrupted build goes on, and its time with it.
	SECONDS=$(cat "$dir/spent" 2>/dev/null || echo 0)
	trap 'echo "$SECONDS" >"$dir/spent"' EXIT
	kernel_make -j "$jobs" all 2>&1 | tee "$dir/build.log" | progress || status=$?
	if ((status != 0)); then
		grep -m 20 -E 'error|Error' "$dir/build.log" >&2 || tail -n 20 "$dir/build.log" >&2
		fail "make failed, see $dir/build.log"
	fi
	local name count
	for name in vmlinux arch/x86/boot/bzImage .config; do
		cp "$dir/linux/$name" "$dir/"
	done
	mv "$dir/.config" "$dir/config"
	mkdir -p "$dir/modules"
	find "$dir/linux" -name '*.ko' -exec cp -t "$dir/modules" {} +
	# Not the number that went by here: this may have been the rest of an interrupted build.
	count=$(find "$dir/linux" -name '.*.o.cmd' -exec grep -l -e ' -c -o ' {} + | wc -l)
	printf '%s\n' "objects=$count" "seconds=$SECONDS" >"$dir/complete.new"
	mv "$dir/complete.new" "$dir/complete"
	trap - EXIT
}

# kbuild compares command lines, and those of objtool's rules and our own flag name the tree. They follow it, or everything would be
# rebuilt; and with the flag following too, what is rebuilt in the copy equals what the original would give.
copy_tree() {
	[[ ! -e $copy ]] || fail "$copy exists already — name a new directory"
	cp -a --reflink=auto "$dir/linux" "$copy"
	copy=$(cd "$copy" && pwd)
	[[ $copy != *[[:space:]:\|\&]* ]] || fail "kbuild takes no such path: $copy"
	find "$copy" \( -name '.*.cmd' -o -name GNUmakefile \) -exec sed -i "s|$dir/linux|$copy|g" {} +
}

variant=demo copy=''
cache=${REHEAT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/reheat}
jobs=$(nproc)
while (($#)); do
	case $1 in
	--variant) variant=${2?--variant needs a value} && shift 2 ;;
	--cache) cache=${2?--cache needs a value} && shift 2 ;;
	--jobs) jobs=${2?--jobs needs a value} && shift 2 ;;
	--copy-to) copy=${2?--copy-to needs a value} && shift 2 ;;
	-h | --help) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
done
case $variant in
demo) arch=x86_64 about=1110 fragments=(base x86_64 demo) ;;
tiny) arch=x86_64 about=1020 fragments=(base x86_64 tiny) ;;
tiny32) arch=i386 about=1000 fragments=(base i386 tiny) ;;
*) usage >&2 && exit 2 ;;
esac
fragments=("${fragments[@]/#/$here/}")
fragments=("${fragments[@]/%/.config}")

require_tools
key=$(key_of_input)
mkdir -p "$cache/guests"
dir=$(cd "$cache/guests" && pwd)/linux-$variant-$key
[[ $dir != *[[:space:]:]* ]] || fail "kbuild takes no path with a space or a colon: $dir — give another --cache"
mkdir -p "$dir"

if [[ ! -f $dir/complete ]]; then
	exec 9>"$dir/lock"
	flock -n 9 || {
		say "waiting for another build of the same kernel ($dir)"
		flock 9
	}
fi
if [[ ! -f $dir/complete ]]; then
	[[ -d $dir/linux ]] || unpack
	huge_pages
	write_first_makefile
	write_makefile
	configure
	compile
	say "built in $SECONDS s"
fi
[[ -z $copy ]] || copy_tree
printf '%s\n' "build=${copy:-$dir/linux}" "vmlinux=$dir/vmlinux" "bzImage=$dir/bzImage" "modules=$dir/modules" \
	"config=$dir/config" "log=$dir/build.log"
cat "$dir/complete"
