#!/usr/bin/env bash
#
# Install what the build needs, configure a preset and build it.
#
# Usage: build.sh [PRESET] [--tests]     presets: dev (default) release asan tsan clang19 fuzz
# Exit: 0 built, 1 failed.
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "${here}/lib.sh"
cd "${root}"

preset="${1:-dev}"
sets=(build)
options=()
# Without --tests a new build folder leaves the tests out; one that has them keeps them.
[ -f "build/${preset}/CMakeCache.txt" ] || options=(-DBIFROST_TESTS=OFF)
[ "${2:-}" = --tests ] && sets+=(test) && options=(-DBIFROST_TESTS=ON)
case "${preset}" in
  clang19 | fuzz) sets+=(check) ;;
  release) sets+=(bench) && options=() ;;
esac
"${here}/install-packages.sh" "${sets[@]}"
step "configure ${preset}" cmake --preset "${preset}" "${options[@]}"
step "build ${preset}" ninja -C "build/${preset}"
