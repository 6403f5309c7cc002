#!/usr/bin/env bash
# Publishes Reheat's programs and installs them under a directory, for builds that do not know this source tree. Run with --help.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly root
usage() {
	cat <<'TEXT'
usage: deploy/install.sh --prefix DIR [--only-as] [--uninstall]

Publishes and installs, and prints each file or directory that it wrote:
  DIR/bin/reheat       the command line; needs the .NET 10 and ASP.NET Core runtimes
  DIR/bin/reheat-as    the assembler stage, machine code that needs nothing
  DIR/bin/reheat-user  the user-mode wedge
  DIR/lib/reheat/as    the same under the name that compilers look for
  DIR/lib/reheat/ld    the same as stand-in for the linker: gives records their final names
  DIR/lib/reheat/cli   what bin/reheat consists of
Any build can use them then:
  REHEAT_ANNOTATIONS=FILE REHEAT_REPORT=FILE COMPILER_PATH=DIR/lib/reheat PATH=DIR/lib/reheat:$PATH make
  REHEAT_ANNOTATIONS=FILE gcc -B DIR/lib/reheat/ …          (clang: -fno-integrated-as besides)
The compiler looks for as and ld in COMPILER_PATH; a build that calls ld itself, as kbuild does, finds it on the PATH.

A second call replaces what changed.

  --only-as     the assembler stage alone
  --uninstall   removes what was installed under DIR, and nothing else
TEXT
}

fail() {
	printf 'install: %s\n' "$*" >&2
	exit 1
}

prefix='' only_as=0 uninstall=0
while (($#)); do
	case $1 in
	--prefix) prefix=${2?--prefix needs a value} && shift 2 ;;
	--prefix=*) prefix=${1#--prefix=} && shift ;;
	--only-as) only_as=1 && shift ;;
	--uninstall) uninstall=1 && shift ;;
	-h | --help) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
done
[[ -n $prefix ]] || {
	usage >&2
	exit 2
}

if ((uninstall)); then
	[[ -e $prefix/lib/reheat || -L $prefix/bin/reheat || -e $prefix/bin/reheat-as ]] || fail "nothing is installed under $prefix"
	for name in bin/reheat bin/reheat-as bin/reheat-user lib/reheat; do
		[[ -e $prefix/$name || -L $prefix/$name ]] || continue
		rm -rf "${prefix:?}/$name"
		printf 'removed %s\n' "$prefix/$name"
	done
	for name in bin lib; do
		[[ ! -d $prefix/$name ]] || rmdir --ignore-fail-on-non-empty "$prefix/$name"
	done
	exit 0
fi

command -v dotnet >/dev/null || fail "the .NET SDK 10 is missing — install it and put dotnet on the PATH"
mkdir -p "$prefix/bin" "$prefix/lib/reheat" || fail "cannot write $prefix"
prefix=$(cd "$prefix" && pwd)
staged=$(mktemp -d "$prefix/lib/reheat/.install-XXXXXX") # on the same file system: what goes in place is renamed
made=$(mktemp -d)                                         # make takes no names with spaces
trap 'rm -rf "$staged" "$made"' EXIT

publish() {
	dotnet publish "$root/services/$1" -c Release -o "$staged/$1" -nologo -v quiet -clp:NoSummary "${@:2}" >&2 || fail "could not publish services/$1"
}

# A file comes in place by a rename: a build that runs meanwhile finds the old as and ld or the new ones. A directory cannot take another's
# place at once: between the two renames of lib/reheat/cli a call of bin/reheat finds no program.
place() {
	mv -fT "$1" "$prefix/$2"
	printf '%s\n' "$prefix/$2"
}

link() {
	ln -s "$1" "$staged/link"
	place "$staged/link" "$2"
}

publish assembler
place "$staged/assembler/reheat-as" bin/reheat-as
link ../../bin/reheat-as lib/reheat/as
link ../../bin/reheat-as lib/reheat/ld
((only_as)) && exit 0

make -s -C "$root/services/wedges/user" OUT="$made" "$made/reheat-user" >&2 || fail "could not build services/wedges/user"
cp "$made/reheat-user" "$staged/reheat-user"
place "$staged/reheat-user" bin/reheat-user

# Compiled ahead for this machine's architecture, but with the shared runtime: half the start-up time, a tenth of the size of a
# self-contained program.
publish cli -r linux-x64 --self-contained false -p:PublishReadyToRun=true
find "$staged/cli" \( -name '*.xml' -o -name '*.pdb' \) -delete
[[ ! -d $prefix/lib/reheat/cli ]] || mv -T "$prefix/lib/reheat/cli" "$staged/old"
place "$staged/cli" lib/reheat/cli
link ../lib/reheat/cli/reheat bin/reheat
