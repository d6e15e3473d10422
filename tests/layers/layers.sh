#!/usr/bin/env bash
#
# Proves that the build enforces the layer rule: an upward, a sideways and an unknown dependency each stop the configure
# step with a sentence that names the rule, and an include of a room that is not declared does not compile.
#
# Usage: layers.sh      Ends with N passed, N failed.
set -uo pipefail
root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "${work}"' EXIT
passed=0
failed=0

# configure ROOMS: a tiny project with rooms low (layer 0), left and right (layer 1) and the given last line.
project() {
  local last="$1" body="$2"
  rm -rf "${work:?}"/*
  for room in low left right; do
    mkdir -p "${work}/${room}/include/bifrost/${room}" "${work}/${room}/src"
    printf '#pragma once\ninline int %s() { return 1; }\n' "${room}" >"${work}/${room}/include/bifrost/${room}/${room}.hpp"
    printf '#include "bifrost/%s/%s.hpp"\n' "${room}" "${room}" >"${work}/${room}/src/${room}.cpp"
  done
  printf '%s\n' "${body}" >>"${work}/right/src/right.cpp"
  echo 'bifrost_library(low LAYER 0)' >"${work}/low/CMakeLists.txt"
  echo 'bifrost_library(left LAYER 1 DEPENDS low)' >"${work}/left/CMakeLists.txt"
  echo "${last}" >"${work}/right/CMakeLists.txt"
  cat >"${work}/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.25)
project(layers LANGUAGES CXX)
include(${root}/cmake/Bifrost.cmake)
add_subdirectory(low)
add_subdirectory(left)
add_subdirectory(right)
EOF
}

check() {
  local name="$1" wanted="$2"
  shift 2
  local output
  output="$("$@" 2>&1)"
  local status=$?
  if { [ -z "${wanted}" ] && [ "${status}" -eq 0 ]; } ||
    { [ -n "${wanted}" ] && [ "${status}" -ne 0 ] && grep -q -- "${wanted}" <<<"$(tr '\n' ' ' <<<"${output}" | tr -s ' ')"; }; then
    passed=$((passed + 1))
    echo "ok   ${name}"
  else
    failed=$((failed + 1))
    printf 'FAIL %s\n%s\n' "${name}" "${output}"
  fi
}
configure() { cmake -S "${work}" -B "${work}/build" -G Ninja; }
build() { configure && ninja -C "${work}/build"; }

project 'bifrost_library(right LAYER 1 DEPENDS low)' ''
check "a downward dependency builds" "" build
project 'bifrost_library(right LAYER 1 DEPENDS left)' ''
check "a sideways dependency stops the configure step" "layer rule: right (layer 1) may not depend on left" configure
project 'bifrost_library(right LAYER 0 DEPENDS left)' ''
check "an upward dependency stops the configure step" "layer rule: right (layer 0) may not depend on left" configure
project 'bifrost_library(right LAYER 1 DEPENDS nobody)' ''
check "an unknown room stops the configure step" "layer rule: right (layer 1) may not depend on nobody" configure
project 'bifrost_library(right LAYER 1 DEPENDS low)' '#include "bifrost/left/left.hpp"'
check "an include of a room that is not declared does not compile" "left/left.hpp" build

# Asio and Beast live behind net alone.
check "no Asio or Beast outside net" "" bash -c \
  "! grep -rlE '#include *[<\"]boost/(asio|beast)' '${root}/libs' '${root}/apps' --include=*.cpp --include=*.hpp | grep -v '^${root}/libs/net/'"
check "no coroutines outside net" "" bash -c \
  "! grep -rlE 'co_(await|return|yield)' '${root}/libs' '${root}/apps' --include=*.cpp --include=*.hpp | grep -v '^${root}/libs/net/'"

echo "${passed} passed, ${failed} failed"
[ "${failed}" -eq 0 ]
