#!/usr/bin/env bash
#
# Install, build and run every test that this machine allows.
#
# Usage: test.sh
# Names what was skipped and why; ends with "N passed, N failed, N skipped". Exit: 0 all passed, 1 not.
set -uo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "${here}/lib.sh"
cd "${root}" || exit 1

passed=0
failed=0
skipped=0
trouble=()
mkdir -p build/log

# count NAME STATUS LOG: adds the counts that a test program printed. One that ended badly without counts is one failure.
count() {
  local name="$1" status="$2" log="$3" ok bad skip
  if ok="$(grep -oP '^\[  PASSED  \] \K\d+' "${log}" | tail -n 1)" && [ -n "${ok}" ]; then
    bad="$(grep -oP '^\[  FAILED  \] \K\d+(?= tests?, listed)' "${log}" | tail -n 1)"
    skip="$(grep -oP '^\[  SKIPPED \] \K\d+(?= tests?)' "${log}" | tail -n 1)"
    grep -A 1 -E ': Skipped$' "${log}" | grep -vE ': Skipped$|^--$' | sort | uniq -c | sed 's/^ */    skipped: /' >&2
  else
    ok="$(grep -oP '^\d+(?= passed, \d+ failed)' "${log}" | tail -n 1)"
    bad="$(grep -oP '^\d+ passed, \K\d+(?= failed)' "${log}" | tail -n 1)"
    skip="$(grep -oP '^\d+ passed, \d+ failed, \K\d+(?= skipped)' "${log}" | tail -n 1)"
    grep -E '^(skip|SKIP) ' "${log}" | sed 's/^/    /' >&2
  fi
  [ "${status}" -ne 0 ] && [ "${bad:-0}" -eq 0 ] && bad=1
  [ "${status}" -eq 0 ] && [ -z "${ok}" ] && bad=1
  passed=$((passed + ${ok:-0}))
  failed=$((failed + ${bad:-0}))
  skipped=$((skipped + ${skip:-0}))
  if [ "${bad:-0}" -ne 0 ]; then trouble+=("${name}: ${log}"); fi
}

# run NAME COMMAND...: one test program.
run() {
  local name="$1" log started status
  shift
  log="${root}/build/log/test-$(tr -cs 'A-Za-z0-9\n' '-' <<<"${name}").log"
  started="${SECONDS}"
  "$@" >"${log}" 2>&1 </dev/null
  status=$?
  if [ "${status}" -eq 0 ]; then
    say "  ✓ ${name} ($((SECONDS - started))s)"
  else
    say "  ✗ ${name} ($((SECONDS - started))s): ${log}"
    grep -E 'FAIL|Failure|rror:|ERROR|panic|not ok' -A 12 "${log}" | tail -n 60 >&2
    tail -n 12 "${log}" >&2
  fi
  count "${name}" "${status}" "${log}"
}

# Vitest's own closing line, put into the common form.
web_unit_tests() {
  local output status
  output="$(NO_COLOR=1 npm test 2>&1)"
  status=$?
  printf '%s\n' "${output}"
  awk '
    $1 == "Tests" {
      for (i = 2; i < NF; ++i) { if ($(i + 1) ~ /^passed/) ok = $i; if ($(i + 1) ~ /^failed/) bad = $i }
      seen = 1
    }
    END { if (seen) printf "%d passed, %d failed\n", ok, bad }' <<<"${output}"
  return "${status}"
}

browser_test() {
  local url
  "${here}/demo.sh" --no-build --data "$1" --port 0 --speed 60 --history-days 3 --url-file "$1/url" >"$1/demo.log" 2>&1 &
  local demo=$!
  for _ in $(seq 600); do
    [ -s "$1/url" ] && break
    kill -0 "${demo}" 2>/dev/null || break
    sleep 0.2
  done
  url="$(cat "$1/url" 2>/dev/null)"
  if [ -z "${url}" ]; then
    echo "FAIL the demo did not come up"
    tail -n 40 "$1/demo.log"
    return 1
  fi
  (cd tests/browser && node browser.mjs "${url}")
  local status=$?
  kill -TERM "${demo}" 2>/dev/null
  wait "${demo}"
  [ "${status}" -eq 0 ] || tail -n 40 "$1/demo.log"
  return "${status}"
}

main() {
  say "Building"
  "${here}/install-packages.sh" build run test || exit 1
  "${here}/build.sh" dev --tests || exit 1
  "${here}/build-web.sh" || exit 1

  say "Testing"
  run "layer rule" tests/layers/layers.sh
  local program
  for program in build/dev/libs/*/*_tests; do
    run "$(basename "${program}")" "${program}"
  done
  run "web lint" bash -c 'cd web && npm run lint && echo "1 passed, 0 failed"'
  run "web unit tests" bash -c "$(declare -f web_unit_tests); cd web && web_unit_tests"
  run "shell scripts" bash -c 'shellcheck -x scripts/*.sh tests/*/*.sh .ci/run && echo "1 passed, 0 failed"'
  run "generated API types are current" "${here}/types.sh" --check
  run "broker protocol conformance (@stoqey/ib)" bash -c \
    'cd tests/conformance && { [ -d node_modules ] || npm ci --no-audit --no-fund; } && node conformance.mjs ../../build/dev/bin/bifrost-sim'
  run "history on TimescaleDB (Debian 13)" tests/timescaledb/timescaledb.sh
  run "functional tests" build/dev/tests/functional/functional_tests
  run "fault table" build/dev/tests/functional/fault_tests
  sed -n '/^Fault table, seed/,/^\[/{/^F[0-9]/p}' build/log/test-fault-table.log | cut -c 1-180 | sed 's/^/    /' >&2
  local data
  data="$(mktemp -d)"
  chmod 755 "${data}"
  run "browser" browser_test "${data}"
  rm -rf "${data}"

  if [ "${#trouble[@]}" -gt 0 ]; then
    say "Failed:"
    printf '  %s\n' "${trouble[@]}" >&2
  fi
  echo "${passed} passed, ${failed} failed, ${skipped} skipped"
  [ "${failed}" -eq 0 ]
}
main "$@"
