#!/usr/bin/env bash
#
# Build everything and start the demo: simulated gateway, private database, collector, API and page.
#
# Usage: demo.sh [--reset] [--no-build] [options of `bifrost demo`]
# Ctrl-C stops all of it; what it collected is kept until --reset. Exit: 0 stopped, 1 failed.
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "${here}/lib.sh"
invoked_from="${PWD}"
cd "${root}"

build=yes
options=()
while [ $# -gt 0 ]; do
  case "$1" in
    --no-build) build=no ;;
    --replay)
      shift
      # Relative to where the user stands, not to this script.
      options+=(--replay "$(cd "${invoked_from}" && realpath -e -- "$1" 2>/dev/null)") || die "No such file: $1"
      ;;
    *) options+=("$1") ;;
  esac
  shift
done

if [ "${build}" = yes ]; then
  "${here}/install-packages.sh" build run
  "${here}/build.sh" dev
  "${here}/build-web.sh"
fi
exec build/dev/bin/bifrost demo --web-root "${root}/web/dist" --docs-root "${root}/web/node_modules/swagger-ui-dist" "${options[@]}"
