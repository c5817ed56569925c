# shellcheck shell=bash disable=SC2154
# Shared by tools/demo, tools/check, tools/peers and tools/npm: what is missing gets installed, and built.
# Sourced, not run. Expects $root, the project's directory.

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Where programs of others talk to. It stays, in the build directory: an interrupted build leaves nothing in /tmp.
build_log() {
	mkdir -p "$root/build"
	echo "$root/build/tools.log"
}

# The packages of tools/packages: all of them, or with "demo" those before the check's mark.
package_list() {
	local part=$1
	if [ "$part" = demo ]; then
		sed '/^# ---/,$d' "$root/tools/packages"
	else
		cat "$root/tools/packages"
	fi | sed 's/#.*//' | awk 'NF'
}

installed() {
	dpkg-query -W -f '${Status}\n' "$1" 2>/dev/null | grep -q '^install ok installed'
}

apt_quietly() {
	local log=$1
	shift
	DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1
}

# Calls apt-get only when something is missing, so that a second run needs no network.
# None of the packages holds a service, so nothing is started by installing them.
install_missing() {
	local part=$1 name missing=()
	for name in $(package_list "$part"); do
		installed "$name" || missing+=("$name")
	done
	[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

install_packages() {
	local log status=0
	[ "$(id -u)" = 0 ] || die "must be root to install: $*"

	say "installing $# packages: $*"
	log=$(build_log)
	# A fresh image has no package lists, an old one has lists older than the mirror: then fetch them.
	apt_quietly "$log" install --no-install-recommends -y "$@" ||
		{ apt_quietly "$log" update || true
		  apt_quietly "$log" install --no-install-recommends -y "$@" || status=$?; }
	[ $status -eq 0 ] || tail -n 30 "$log" >&2
	[ $status -eq 0 ] || die "apt-get could not install: $*"
}

# build_in DIR MESON-OPTION...: configure once, then build; silent unless it fails.
build_in() {
	local dir=$1 log
	shift
	log=$(build_log)
	if [ ! -f "$root/$dir/build.ninja" ]; then
		meson setup "$root/$dir" "$root" "$@" >"$log" 2>&1 ||
			{ cat "$log" >&2; die "meson setup $dir failed"; }
	fi
	ninja -C "$root/$dir" >"$log" 2>&1 ||
		{ grep -v '^\[[0-9]*/[0-9]*\] \(Compiling\|Linking\)' "$log" | tail -n 80 >&2; die "build in $dir failed"; }
}

# fetch_and_unpack DIR PACKAGE...: download Debian packages and unpack them into DIR without
# installing them: no maintainer script runs, no service starts, the host stays as it was.
fetch_and_unpack() {
	local dir=$1 name wanted=()
	shift
	mkdir -p "$dir/.debs"
	for name in "$@"; do
		[ -e "$dir/.debs/$name.done" ] || wanted+=("$name")
	done
	[ ${#wanted[@]} -eq 0 ] && return 0
	download_packages "$dir/.debs" "${wanted[@]}" || die "cannot fetch from Debian: ${wanted[*]}"
	for name in "${wanted[@]}"; do
		dpkg-deb -x "$dir/.debs/${name}"_*.deb "$dir" || die "cannot unpack Debian's package $name"
		rm -f "$dir/.debs/${name}"_*.deb
		: >"$dir/.debs/$name.done"
	done
}

download_packages() {
	local dir=$1
	shift
	( cd "$dir" || exit
	  rm -f ./*.deb
	  apt-get -qq -o APT::Sandbox::User=root download "$@" >/dev/null 2>&1 && exit 0
	  apt-get -qq update >/dev/null 2>&1 || true
	  apt-get -qq -o APT::Sandbox::User=root download "$@" >/dev/null )
}
