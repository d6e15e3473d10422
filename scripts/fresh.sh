#!/usr/bin/env bash
#
# Prove the two commands of the README where nothing is installed: a bare Debian 12 root made by mmdebstrap, holding the
# last commit and the market data beside it.
#
# Usage: fresh.sh [--keep]     Needs root. BIFROST_FRESH_ROOT names the folder (default: a temporary one).
# Exit: 0 both commands worked, 1 not.
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "${here}/lib.sh"
cd "${root}"

[ "$(id -u)" -eq 0 ] || die "make fresh needs root: it makes a Debian root and mounts in it." "sudo make fresh"
"${here}/install-packages.sh" fresh
target="${BIFROST_FRESH_ROOT:-$(mktemp -d)/root}"
sources=()
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  if [ -s "${file}" ] && grep -qE 'bookworm' "${file}"; then sources+=("${file}"); fi
done
step "make a bare Debian 12 root" mmdebstrap --variant=minbase bookworm "${target}" "${sources[@]}"

# The machine's way to its package mirrors is the only thing the new root inherits.
for file in /etc/npmrc /usr/etc/npmrc /root/.npmrc /etc/resolv.conf /etc/hosts /etc/apt/apt.conf.d/*proxy*; do
  if [ -f "${file}" ]; then mkdir -p "${target}$(dirname "${file}")" && cp "${file}" "${target}${file}"; fi
done
if [ -d /usr/local/share/ca-certificates ]; then cp -r /usr/local/share/ca-certificates "${target}/usr/local/share/"; fi
inherited=()
for name in NODE_EXTRA_CA_CERTS SSL_CERT_FILE npm_config_cafile; do
  file="${!name:-}"
  if [ -f "${file}" ]; then
    mkdir -p "${target}$(dirname "${file}")"
    cp "${file}" "${target}${file}"
    inherited+=("${name}=${file}")
  fi
done
mkdir -p "${target}/work"
git clone -q "${root}" "${target}/work/main"
if [ -d "${root}/../shared/data" ]; then mkdir -p "${target}/work/shared" && cp -r "${root}/../shared/data" "${target}/work/shared/data"; fi

# A mount and a PID namespace of its own: whatever the commands leave running ends with it, and is counted first.
cat >"${target}/work/prove.sh" <<'EOF'
set -euo pipefail
mount -t proc proc /proc
mkdir -p /dev/shm && mount -t tmpfs tmpfs /dev/shm
cd /work/main
started="${SECONDS}"
CI=true bash .ci/run
echo "make test: $((SECONDS - started)) s from a bare root"
started="${SECONDS}"
make demo DEMO_ARGS="--url-file /tmp/url" >/tmp/demo.log 2>&1 &
demo=$!
for _ in $(seq 1200); do [ -s /tmp/url ] && break; kill -0 "${demo}" || break; sleep 0.5; done
[ -s /tmp/url ] || { tail -n 40 /tmp/demo.log; exit 1; }
echo "make demo: page up after $((SECONDS - started)) s at $(cat /tmp/url)"
bash -c "exec 3<>/dev/tcp/127.0.0.1/$(sed -E 's#.*:([0-9]+).*#\1#' /tmp/url); printf 'GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3; cat <&3" | tail -n 1
pkill -INT -x bifrost
wait "${demo}"
left="$(pgrep -l bifrost || true; pgrep -l postgres || true)"
[ -z "${left}" ] || { echo "left running: ${left}"; exit 1; }
echo "make demo: stopped, nothing left"
EOF
mount --bind "${target}" "${target}"
trap 'umount -R "${target}" 2>/dev/null; [ "${1:-}" = --keep ] || rm -rf "${target}"' EXIT
mount --rbind /dev "${target}/dev"
mount --make-rslave "${target}/dev"
unshare --mount --pid --fork chroot "${target}" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
  LANG=C.UTF-8 "${inherited[@]}" bash /work/prove.sh "${1:-}"
