#!/usr/bin/env bash
#
# The slow gates: formatting, header independence, the second compiler, all C++ tests under sanitizers, and each fuzz target
# for a minute (FUZZ_SECONDS).
#
# Usage: check.sh      Exit: 0 clean, 1 not.
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "${here}/lib.sh"
cd "${root}"

"${here}/install-packages.sh" build run test check
step "formatting" bash -c "git ls-files -z '*.cpp' '*.hpp' | xargs -0 clang-format-19 --dry-run -Werror"
step "layers" tests/layers/layers.sh
step "shell scripts" shellcheck -x scripts/*.sh tests/*/*.sh .ci/run

"${here}/build.sh" dev --tests
step "every public header stands alone" ninja -C build/dev all_verify_interface_header_sets
"${here}/build.sh" clang19 --tests

export ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
for preset in asan tsan; do
  "${here}/build.sh" "${preset}" --tests
  for program in build/"${preset}"/libs/*/*_tests build/"${preset}"/tests/functional/functional_tests; do
    step "${preset} $(basename "${program}")" "${program}" --gtest_brief=1
  done
done

"${here}/fuzz.sh" --seconds "${FUZZ_SECONDS:-60}"
say "Clean."
