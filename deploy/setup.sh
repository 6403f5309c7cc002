#!/usr/bin/env bash
# Installs the Debian packages that are missing. Sourced or called by demo.sh and tests/run.sh; does nothing when all are there.
#
#   setup.sh PACKAGE-LIST...     a list is a text file, one package a line, # begins a comment
set -euo pipefail

missing=()
while read -r package; do
	[[ $(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
done < <(sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$@" | sort -u)

if ! command -v dotnet >/dev/null || ! dotnet --list-sdks | grep -q '^10\.'; then
	echo "setup: the .NET SDK 10 is missing — install it and put dotnet on the PATH" >&2
	exit 1
fi
((${#missing[@]})) || exit 0

# node and npm also come from elsewhere than Debian; what is on the PATH serves as well.
kept=()
for package in "${missing[@]}"; do
	case $package in
	nodejs) command -v node >/dev/null && continue ;;
	npm) command -v npm >/dev/null && continue ;;
	esac
	kept+=("$package")
done
((${#kept[@]})) || exit 0

as_root=()
if [[ $(id -u) != 0 ]]; then
	command -v sudo >/dev/null || {
		echo "setup: missing packages, and neither root nor sudo to install them with: apt-get install ${kept[*]}" >&2
		exit 1
	}
	as_root=(sudo)
fi
echo "installing ${#kept[@]} packages: ${kept[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update -qq &&
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${kept[@]}"; } >"$log" 2>&1; then
	tail -n 15 "$log" >&2
	echo "setup: could not install ${kept[*]}" >&2
	exit 1
fi
