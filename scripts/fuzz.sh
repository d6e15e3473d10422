#!/usr/bin/env bash
#
# Run fuzz targets, under the address and undefined-behaviour sanitizers, for a time or a number of executions each. What they
# learn stays in build/fuzz/corpus, so a later run goes on from there; an input that breaks something is kept in
# build/fuzz/found and named in the log.
#
# Usage: fuzz.sh [--runs N | --seconds N] [TARGET...]
#   TARGET as build/fuzz/libs/*/fuzz_TARGET is named, such as ib_decode; none: all. Without a number: 60 seconds each.
# Exit: 0 nothing found, 1 something, or it does not build, 2 wrong usage.
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "${here}/lib.sh"
cd "${root}"

usage() {
  say "usage: fuzz.sh [--runs N | --seconds N] [TARGET...]"
  exit 2
}

limit=(-max_total_time=60)
limit_text="60 s"
case "${1:-}" in
  --runs | --seconds)
    [[ "${2:-}" =~ ^[1-9][0-9]*$ ]] || usage
    if [ "$1" = --runs ]; then
      limit=("-runs=$2") limit_text="$2 executions"
    else
      limit=("-max_total_time=$2") limit_text="$2 s"
    fi
    shift 2
    ;;
  -*) usage ;;
esac

"${here}/build.sh" fuzz
shopt -s nullglob
programs=()
for target in "${@:-*}"; do
  # shellcheck disable=SC2206
  found=(build/fuzz/libs/*/fuzz_${target})
  [ "${#found[@]}" -gt 0 ] || die "there is no fuzz target ${target}" "they are: $(echo build/fuzz/libs/*/fuzz_* | sed -E 's#[^ ]*/fuzz_##g')"
  programs+=("${found[@]}")
done

mkdir -p build/fuzz/found
for program in "${programs[@]}"; do
  name="$(basename "${program}")"
  corpus="build/fuzz/corpus/${name}"
  mkdir -p "${corpus}"
  step "${name} for ${limit_text}" "${program}" "${limit[@]}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    "-artifact_prefix=build/fuzz/found/${name}-" "${corpus}"
  # "Done N runs in S second(s)"
  sed -nE "s/^Done ([0-9]+) runs in ([0-9]+) second.*/    \1 executions in \2 s/p" "$(step_log "${name} for ${limit_text}")" >&2
done
