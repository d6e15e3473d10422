# Shared by the scripts beside it: steps with progress on stderr, and privileges. Sourced, never run.
# shellcheck shell=bash

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
export PATH="${root}/.tools/bin:${PATH}"
# Compiler results are shared between clones of the project.
export CCACHE_BASEDIR="${root}" CCACHE_NOHASHDIR=1

say() { printf '%s\n' "$*" >&2; }
die() {
  say "$1"
  [ "${2:-}" ] && say "  hint: $2"
  exit 1
}

# as_root COMMAND...: runs it as root, through sudo where needed.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    # sudo drops the environment; a package must not ask questions into a log.
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    die "This step needs root and there is no sudo: $*" "run the same make command as root once"
  fi
}

# step_log TEXT: where a step of this text leaves its output.
step_log() { printf '%s/build/log/%s.log' "${root}" "$(printf '%s' "$1" | tr -cs 'A-Za-z0-9' '-' | cut -c1-40)"; }

# step TEXT COMMAND...: runs the command with its output in a log; shows elapsed seconds while it works, and the end of the
# log when it fails.
step() {
  local text="$1" log started pid
  shift
  mkdir -p "${root}/build/log"
  log="$(step_log "${text}")"
  started="${SECONDS}"
  # A process group of its own, so that an interrupted step ends with all its children.
  set -m
  "$@" >"${log}" 2>&1 </dev/null &
  pid=$!
  set +m
  # shellcheck disable=SC2064
  trap "kill -TERM -- -${pid} 2>/dev/null; exit 130" INT TERM
  while kill -0 "${pid}" 2>/dev/null; do
    if [ -t 2 ]; then
      printf '\r  … %s (%ds) ' "${text}" "$((SECONDS - started))" >&2
      sleep 0.3
    else
      # Without a terminal one line every half minute tells that it lives.
      if (((SECONDS - started) % 30 == 1)); then say "  … ${text} ($((SECONDS - started))s)"; fi
      sleep 1
    fi
  done
  trap - INT TERM
  [ -t 2 ] && printf '\r\033[K' >&2
  if wait "${pid}"; then
    say "  ✓ ${text} ($((SECONDS - started))s)"
  else
    say "  ✗ ${text}; the end of ${log}:"
    tail -n 30 "${log}" >&2
    return 1
  fi
}
