#!/usr/bin/env bash
#
# Write web/openapi.json and web/src/api/schema.d.ts from the API's own description.
#
# Usage: types.sh [--check]     --check only tells whether the committed files are current.
# Exit: 0 written or current, 1 not.
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "${here}/lib.sh"
cd "${root}"

if [ "${1:-}" != --check ]; then
  build/dev/bin/bifrost-api --openapi >web/openapi.json
  cd web && exec npm run types
fi
fresh="$(mktemp -d)"
trap 'rm -rf "${fresh}"' EXIT
build/dev/bin/bifrost-api --openapi >"${fresh}/openapi.json"
(cd web && npx openapi-typescript "${fresh}/openapi.json" -o "${fresh}/schema.d.ts" >/dev/null)
diff -u web/openapi.json "${fresh}/openapi.json"
diff -u web/src/api/schema.d.ts "${fresh}/schema.d.ts"
echo "1 passed, 0 failed"
