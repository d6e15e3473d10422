#!/usr/bin/env bash
#
# Install the Debian packages that a job needs.
#
# Usage: install-packages.sh SET...    SET: build run web test check fresh
# Does nothing when all are there; removes nothing, ever; no recommended extras.
# Exit: 0 installed, 1 failed, 2 wrong usage.
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "${here}/lib.sh"

packages_of() {
  case "$1" in
    build) echo g++ cmake ninja-build ccache mold pkg-config git ca-certificates \
      libboost1.81-dev libboost-json1.81-dev libboost-container1.81-dev libexpected-dev libfmt-dev libspdlog-dev \
      libhowardhinnant-date-dev tzdata zlib1g-dev libpq-dev libsimdjson-dev libcli11-dev ;;
    run) echo postgresql-15 tzdata ;;
    web) command -v npm >/dev/null || echo npm ;;
    test) echo libgtest-dev libgmock-dev chromium fonts-dejavu-core shellcheck procps ;;
    check) echo clang-19 libclang-rt-19-dev clang-format-19 libbenchmark-dev libgtest-dev libgmock-dev shellcheck ;;
    bench) echo libbenchmark-dev ;;
    fresh) echo mmdebstrap ;;
    *) return 1 ;;
  esac
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# The PostgreSQL package starts a cluster of its own on port 5432 unless told not to. Nobody asked for one, so the
# packaging's own switch is turned off for the time of this installation; a cluster that is already there is not touched.
without_system_cluster() {
  local switch=/etc/postgresql-common/createcluster.d/bifrost-no-cluster.conf
  as_root apt-get install -y --no-remove --no-install-recommends postgresql-common
  as_root mkdir -p "$(dirname "${switch}")"
  echo 'create_main_cluster = false' | as_root tee "${switch}" >/dev/null
  local failed=0
  as_root apt-get install -y --no-remove --no-install-recommends postgresql-15 || failed=1
  as_root rm -f "${switch}"
  return "${failed}"
}

install_missing() {
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get update
  local rest=()
  for package in "$@"; do
    if [ "${package}" = postgresql-15 ]; then without_system_cluster; else rest+=("${package}"); fi
  done
  [ "${#rest[@]}" -eq 0 ] || as_root apt-get install -y --no-remove --no-install-recommends "${rest[@]}"
}

main() {
  [ $# -gt 0 ] || { say "usage: install-packages.sh SET..."; exit 2; }
  local missing=() set names name
  for set in "$@"; do
    names="$(packages_of "${set}")" || { say "unknown set '${set}'"; exit 2; }
    for name in ${names}; do installed "${name}" || missing+=("${name}"); done
  done
  [ "${#missing[@]}" -eq 0 ] && return
  say "Installing ${#missing[@]} Debian packages: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ] && command -v sudo >/dev/null; then sudo -v; fi
  step "install packages" install_missing "${missing[@]}"
}
main "$@"
