#!/usr/bin/env bash
#
# Build the benchmarks and run them, one after another.
#
# Usage: bench.sh [ROOM...]
# Each compares with a baseline in the same run and prints the error beside the speed. Exit: 0 ran, 1 failed.
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "${here}/lib.sh"
cd "${root}"

"${here}/install-packages.sh" build run bench
"${here}/build.sh" release
rooms=("$@")
if [ "${#rooms[@]}" -eq 0 ]; then mapfile -t rooms < <(find libs -mindepth 2 -maxdepth 2 -name bench -printf '%h\n' | xargs -n 1 basename | sort); fi
for room in "${rooms[@]}"; do
  say "${room}:"
  "build/release/libs/${room}/${room}_bench"
done
