#!/usr/bin/env bash
#
# Build the page into web/dist.
#
# Usage: build-web.sh
# Exit: 0 built, 1 failed.
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "${here}/lib.sh"

"${here}/install-node.sh"
cd "${root}/web"
# npm ci starts from nothing each time; once per lock file is enough.
if ! cmp -s package-lock.json node_modules/.installed-lock.json; then
  step "install web packages" npm ci --no-audit --no-fund
  cp package-lock.json node_modules/.installed-lock.json
fi
if [ ! -f dist/index.html ] ||
  [ -n "$(find src public index.html package-lock.json vite.config.ts -type f -newer dist/index.html -print -quit)" ]; then
  step "build the page" npm run build
fi
