#!/usr/bin/env bash
# Runs the checks on another Debian release, from a fresh clone with an empty npm cache. See --help.
set -euo pipefail

usage() {
  cat <<'HELP'
Usage: scripts/debian-chroot.sh [--dir DIR] [--keep] RELEASE [COMMAND...]

Makes a minimal Debian of that release (bookworm, trixie, ...) with debootstrap, installs the Node.js and npm that the release packages, clones
the current commit of this repository into it, and runs COMMAND there (.ci/run if there is none). Changes that are not committed are not tested.
The exit code is that of COMMAND.

  --dir DIR   where the chroot is made; it must not exist, or be one that --keep has left (default: a new directory below TMPDIR)
  --keep      leave the chroot in place, for a shell in it or for a second run with the same --dir

Needs root, debootstrap and unshare (apt-get install debootstrap util-linux), and about 4 GB of disk. Packages come from the mirrors of this
machine's apt configuration. The proxies of apt and of the environment, the npm registry, and the certificates that NODE_EXTRA_CA_CERTS names
are used in the chroot too. Processes in the chroot see no others and end with the script.
HELP
}

fail() {
  echo "debian-chroot.sh: $*" >&2
  exit 2
}

keep=no
dir=
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage && exit 0 ;;
    --keep) keep=yes ;;
    --dir) dir=${2:-} && shift ;;
    -*) fail "Unknown option $1. See --help." ;;
    *) break ;;
  esac
  shift
done
[ $# -gt 0 ] || { usage >&2 && exit 2; }
release=$1
shift
[ $# -gt 0 ] || set -- .ci/run
[ "$(id -u)" = 0 ] || fail 'A chroot can be made by root only: run it with sudo.'
for program in debootstrap unshare git; do
  command -v "$program" >/dev/null || fail "$program is missing. Run \"apt-get install debootstrap util-linux git\"."
done

root=$(cd "$(dirname "$0")/.." && pwd)
dir=${dir:-$(mktemp -d)/$release}
echo "== Debian $release in $dir"

# Prints the address of this machine's mirror for an archive. $1 is the label in its release file.
mirror() {
  apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sed -n "s/^$1 //p" | head -n 1
}
main=$(mirror Debian)
security=$(mirror Debian-Security)
[ -n "$main" ] || fail 'The apt configuration of this machine names no Debian mirror, or apt-get update has never run.'

finish() {
  [ "$keep" = yes ] || rm -rf --one-file-system "$dir"
}
trap finish EXIT

if [ ! -x "$dir/usr/bin/apt-get" ]; then
  debootstrap --variant=minbase "$release" "$dir" "$main" >"$dir.log" 2>&1 || { tail -n 20 "$dir.log" >&2 && fail 'debootstrap failed. Its last lines are above.'; }
  rm -f "$dir.log"
fi
{
  echo "deb $main $release main"
  [ -z "$security" ] || echo "deb $security $release-security main"
} >"$dir/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(http|https|ftp)::Proxy' >"$dir/etc/apt/apt.conf.d/80proxy" || true
cp -L /etc/resolv.conf /etc/hosts "$dir/etc/"

environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive RUNLEVEL=1)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
  [ -z "${!name:-}" ] || environment+=("$name=${!name}")
done
if command -v npm >/dev/null; then environment+=("npm_config_registry=$(npm config get registry)"); fi
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  mkdir -p "$dir/etc/ssl"
  cp -L "$NODE_EXTRA_CA_CERTS" "$dir/etc/ssl/extra-ca.pem"
  environment+=(NODE_EXTRA_CA_CERTS=/etc/ssl/extra-ca.pem)
fi

rm -rf "$dir/srv/broker" "$dir/root/.npm"
git clone --quiet --no-hardlinks "$root" "$dir/srv/broker"
commit=$(git -C "$root" rev-parse HEAD)
git -C "$dir/srv/broker" checkout --quiet --detach "$commit"
echo "== commit $commit: $*"

# Runs in its own mount and process namespaces, so that nothing is left behind, however it ends.
inside='
dir=$1
shift
mount --make-rprivate /
mount -t proc proc "$dir/proc"
mount -t sysfs -o ro sysfs "$dir/sys"
mount -t tmpfs -o mode=755 tmpfs "$dir/dev"
for node in null zero full random urandom tty; do
  touch "$dir/dev/$node"
  mount --bind "/dev/$node" "$dir/dev/$node"
done
ln -s /proc/self/fd "$dir/dev/fd"
for fd in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${fd%:*}" "$dir/dev/${fd#*:}"; done
mkdir "$dir/dev/shm" "$dir/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts "$dir/dev/pts"
ln -s pts/ptmx "$dir/dev/ptmx"
mount -t tmpfs -o mode=1777 tmpfs "$dir/dev/shm"
exec chroot "$dir" /bin/sh -c "
  set -e
  command -v npm >/dev/null && command -v git >/dev/null || {
    apt-get -q update
    apt-get -q -y install --no-install-recommends ca-certificates curl git nodejs npm openssl procps
  } >/tmp/apt.log 2>&1 || { tail -n 20 /tmp/apt.log; exit 2; }
  echo \"== Debian \$(cat /etc/debian_version), Node \$(node --version), npm \$(npm --version)\"
  cd /srv/broker
  exec \"\$@\"" sh "$@"
'
set +e
env -i "${environment[@]}" unshare --mount --pid --fork --kill-child sh -euc "$inside" sh "$dir" "$@"
code=$?
echo "== $*: exit code $code"
exit $code
