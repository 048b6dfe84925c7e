# Shared by the scripts beside it: messages, and packages on Debian. Read with `.`, not run.

say() { printf '\n== %s\n' "$*"; }
# The environment lacks something: what, and what to do. Exit statuses are those of mlops.
die() {
	printf '%s: %s\n  %s\n' "${0##*/}" "$1" "$2" >&2
	exit 5
}
usage() {
	printf '%s: %s\n  usage: %s\n' "${0##*/}" "$1" "$2" >&2
	exit 2
}

# What the build needs, without the tests.
BUILD_PACKAGES='cmake ninja-build gcc libc6-dev pkg-config libgit2-dev libssl-dev libsqlite3-dev libinih-dev libjansson-dev
	libcurl4-openssl-dev libarchive-dev zlib1g-dev libzstd-dev libmicrohttpd-dev'
# What the tests need besides.
TEST_PACKAGES='clang libclang-rt-14-dev libcmocka-dev git strace faketime tzdata
	python3 python3-pytest python3-hypothesis python3-cryptography python3-sklearn python3-venv openssl ca-certificates
	docker.io iptables iproute2 busybox-static docker-registry mmdebstrap rsync zstd chromium-headless-shell'

# Prints those of its arguments that are not installed.
missing_packages() {
	for package in "$@"; do
		state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || state=
		[ "$state" = installed ] || printf '%s ' "$package"
	done
}

# Installs what is missing, as root or through sudo.
install_packages() {
	command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
		die 'this is not Debian: no apt-get' "install the equivalents of: $*"
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	say "Installing: $missing"
	as_root=
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null ||
			die 'some packages are missing, and this is neither root nor is there sudo' \
				"as root, run: apt-get install $missing"
		as_root=sudo
	fi
	log=$top/build/packages.log
	mkdir -p "$top/build"
	: >"$log"
	# $missing holds many words on purpose. The package lists may be absent, or too old to be of use.
	# shellcheck disable=SC2086
	{
		if apt_simulate $missing && apt_install $missing; then
			return
		fi
		echo 'apt-get update ...'
		$as_root apt-get update -q -o APT::Update::Error-Mode=any </dev/null >>"$log" 2>&1 ||
			die_with_log 'apt-get update failed' 'is there a network, and does /etc/apt name a mirror?'
		apt_simulate $missing && apt_install $missing ||
			die_with_log 'apt-get could not install what is missing' \
				"see above: no network, or not Debian 12? It has: $missing"
	}
}

# Runs the rest of its arguments with their output in the log, which is shown when they fail.
quietly() { # LOG COMMAND...
	quiet_log=$1
	shift
	"$@" >"$quiet_log" 2>&1 </dev/null && return
	quiet_status=$?
	tail -n 40 "$quiet_log" >&2
	return $quiet_status
}

die_with_log() {
	tail -n 40 "$log" >&2
	die "$@"
}

# Whether the lists know all of them; keeps what it would take.
apt_simulate() {
	simulated=$(apt-get install -s --no-install-recommends "$@" 2>>"$log")
}

apt_install() {
	# "Need to get 12.3 MB of archives." is said only without -s, so apt is asked and answered no.
	size=$($as_root apt-get install --assume-no --no-install-recommends "$@" 2>&1 </dev/null |
		sed -n 's/^Need to get \(.*\) of archives.*/, \1 to download/p')
	count=$(printf '%s\n' "$simulated" | grep -c '^Inst ')
	echo "packages, with what they need: $count$size ... (output in $log)"
	$as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -q --no-install-recommends "$@" </dev/null >>"$log" 2>&1
}
