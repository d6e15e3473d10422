#!/usr/bin/env bash
#
# The history on TimescaleDB's Apache part, as Debian 13 packages it: a Debian 13 root made by mmdebstrap, its PostgreSQL 17
# with the extension preloaded, our migrations, the tests of the store that mean something there, and the operator's tool.
#
# Usage: timescaledb.sh [FOLDER OF BUILT PROGRAMS]     default: build/dev
# Needs root and a Debian mirror; where it lacks one it says so and skips everything. The root is kept as a tarball in
# /var/cache/bifrost for the next time (30 days). Ends with N passed, N failed, N skipped.
set -uo pipefail
root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)"
build="$(realpath "${1:-${root}/build/dev}")"
cache=/var/cache/bifrost/trixie-timescaledb.tar
bin=/usr/lib/postgresql/17/bin
tests='Maintenance.*:Daily.*:History.*:Database.Migrat*:Database.Status*:Database.ANewer*'

skip_all() {
  printf 'SKIP %s\n    TimescaleDB: %s\n' "apache TimescaleDB" "$1"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
}

# The mirror that this machine's apt uses for Debian 12 has Debian 13, too.
mirror() {
  # shellcheck disable=SC2016
  apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT) $(CREATED_BY)' 2>/dev/null |
    awk '$2 == "bookworm" && $3 == "main" && $4 == "Packages" { print $1; exit }'
}

make_root() {
  local uri="$1"
  mkdir -p "$(dirname "${cache}")" && rm -f "${cache}.part.tar"
  # No cluster of the package's own, nothing to read, no compiler for queries.
  # shellcheck disable=SC2016
  timeout 300 mmdebstrap --variant=essential --include=postgresql-17,postgresql-17-timescaledb \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/lib/*/libLLVM*' \
    --setup-hook='mkdir -p "$1/etc/postgresql-common/createcluster.d"' \
    --setup-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.d/none.conf"' \
    trixie "${cache}.part.tar" "deb ${uri} trixie main" && mv "${cache}.part.tar" "${cache}"
}

[ "$(id -u)" -eq 0 ] || skip_all "making a Debian 13 root needs root"
command -v apt-get >/dev/null || skip_all "this is not a Debian machine"
log="$(mktemp)"
if [ ! -s "${cache}" ] || [ -n "$(find "${cache}" -mtime +30)" ]; then
  uri="$(mirror)"
  started="${SECONDS}"
  if [ -n "${uri}" ] && "${root}/scripts/install-packages.sh" fresh >"${log}" 2>&1 && make_root "${uri}" >"${log}" 2>&1; then
    echo "made the Debian 13 root in $((SECONDS - started)) s"
  elif [ ! -s "${cache}" ]; then
    skip_all "no Debian 13 root: $([ -n "${uri}" ] && tail -n 1 "${log}" || echo 'apt names no Debian 12 mirror')"
  fi
fi

work="$(mktemp -d)"
servers=()
finish() {
  local one
  for one in "${servers[@]}"; do kill -INT "${one}" && wait "${one}"; done 2>/dev/null
  rm -rf "${work}" "${log}"
}
trap finish EXIT
trap 'exit 130' INT TERM
# Its own folder, which the server's user may enter.
chmod 711 "${work}"
tar -xf "${cache}" -C "${work}" || skip_all "${cache} cannot be unpacked; hint: remove it"
inside() { chroot --userspec=postgres:postgres "${work}" /usr/bin/env -i LANG=C.UTF-8 PATH=/usr/bin:/bin "$@"; }
chmod 755 "${work}"
mkdir -p "${work}/dev/shm" "${work}/srv/db"
chmod 1777 "${work}/dev/shm"
chroot "${work}" chown postgres:postgres /srv/db
inside "${bin}/initdb" -D /srv/db/data -A trust -U bifrost --no-sync -E UTF8 >"${log}" 2>&1 || skip_all "initdb: $(tail -n 1 "${log}")"
chroot --userspec=postgres:postgres "${work}" /usr/bin/env -i LANG=C.UTF-8 PATH=/usr/bin:/bin \
  "${bin}/postgres" -D /srv/db/data -c shared_preload_libraries=timescaledb -c timescaledb.telemetry_level=off \
  -c listen_addresses= -c unix_socket_directories=/srv/db -c fsync=off -c max_connections=60 >"${log}" 2>&1 &
server=$!
servers+=("${server}")
for _ in $(seq 150); do
  inside "${bin}/pg_isready" -q -h /srv/db && break
  kill -0 "${server}" 2>/dev/null || skip_all "the server did not start: $(tail -n 1 "${log}")"
  sleep 0.2
done

passed=0
failed=0
skipped=0
check() {
  local name="$1"
  shift
  if "$@"; then
    passed=$((passed + 1))
    echo "ok   ${name}"
  else
    failed=$((failed + 1))
    echo "FAIL ${name}"
  fi
}

BIFROST_TEST_DATABASE_URL="host=${work}/srv/db user=bifrost" timeout 300 \
  "${build}/libs/store/store_tests" --gtest_filter="${tests}" >"${work}/tests.log" 2>&1
status=$?
sed 's/^/  /' "${work}/tests.log"
passed=$((passed + $(grep -c '^\[       OK \]' "${work}/tests.log")))
failed=$((failed + $(grep -cE '^\[  FAILED  \].* ms\)$' "${work}/tests.log")))
skipped=$((skipped + $(grep -cE '^\[  SKIPPED \].* ms\)$' "${work}/tests.log")))
grep -A 1 -E ': Skipped$' "${work}/tests.log" | grep -vE ': Skipped$|^--$' | sort -u | sed 's/^/skip /'
if [ "${status}" -ne 0 ] && [ "${failed}" -eq 0 ]; then
  failed=1
  echo "FAIL store_tests ended with ${status}"
fi

inside "${bin}/createdb" -h /srv/db -U bifrost bifrost
export DATABASE_URL="host=${work}/srv/db user=bifrost dbname=bifrost"
cd "${work}" || exit 1 # no .env of anybody's
check "bifrost migrate" "${build}/bin/bifrost" migrate
check "bifrost db maintain" "${build}/bin/bifrost" db maintain --json
shown="$("${build}/bin/bifrost" db status --json)"
echo "${shown}"
check "db status names the tier" grep -q '"tier":"apache"' <<<"${shown}"
check "db status names the version" grep -q '"timescaledb_version":"2\.' <<<"${shown}"
check "db status knows hypertables" grep -q '"name":"option_snapshots"[^}]*"layout":"hypertable"' <<<"${shown}"
check "db status warns of a version with known faults" grep -q '"warnings":\["TimescaleDB 2\.' <<<"${shown}"

some_quotes() {
  echo 'quote_ts,underlying,und_price,expiry,strike,right,bid,ask,last,volume,open_interest,iv,delta,gamma,theta,vega,bid_size,ask_size,root,mid'
  local minute strike
  for minute in 35 40 45; do
    for strike in 90 95 100 105 110; do
      echo "2026-03-02T14:${minute}:00Z,UPG,100.25,2026-03-20,${strike},C,1.05,1.10,1.07,${minute},500,0.25,0.5,0.02,-0.03,0.11,10,12,UPG,"
      echo "2026-03-02T14:${minute}:00Z,UPG,100.25,2026-03-20,${strike},P,0.95,1.00,,0,400,,,,,,5,,UPG,"
    done
  done
}

# A history in hypertables comes back in another cluster of the tier, proved there, takes in more, and gives way to the backup again.
# This machine's PostgreSQL clients are older than the server: those of the root run, at the paths that they have here.
return_of_hypertables() {
  local program came before="${DATABASE_URL}" after="host=${work}/srv/again user=bifrost dbname=bifrost"
  mkdir -p "${work}/srv/again" "${work}/clients" "${work}$(dirname "${work}")"
  ln -s / "${work}${work}"
  for program in pg_dump pg_restore; do
    printf '#!/bin/sh\nexec %s %s %s/%s "$@"\n' "$(command -v chroot)" "${work}" "${bin}" "${program}" >"${work}/clients/${program}"
    chmod 755 "${work}/clients/${program}"
  done
  local -x PATH="${work}/clients:${PATH}"
  chroot "${work}" chown postgres:postgres /srv/again
  inside "${bin}/initdb" -D /srv/again/data -A trust -U bifrost --no-sync -E UTF8 >"${log}" 2>&1 || return 1
  chroot --userspec=postgres:postgres "${work}" /usr/bin/env -i LANG=C.UTF-8 PATH=/usr/bin:/bin "${bin}/postgres" -D /srv/again/data \
    -c shared_preload_libraries=timescaledb -c timescaledb.telemetry_level=off -c listen_addresses= \
    -c unix_socket_directories=/srv/again -c fsync=off >"${work}/again.log" 2>&1 &
  servers+=("$!")
  for _ in $(seq 150); do
    inside "${bin}/createdb" -h /srv/again -U bifrost bifrost 2>/dev/null && break
    sleep 0.2
  done
  some_quotes >"${work}/quotes.csv"
  sed 's/2026-03-02T/2026-03-03T/' "${work}/quotes.csv" >"${work}/more.csv"
  "${build}/bin/bifrost" import "${work}/quotes.csv" && "${build}/bin/bifrost" db maintain --json &&
    "${build}/bin/bifrost" db backup "${work}/hypertables.bifrost" || return 1
  local -x DATABASE_URL="${after}"
  "${build}/bin/bifrost" db restore "${work}/hypertables.bifrost" && "${build}/bin/bifrost" db verify &&
    diff <(DATABASE_URL="${before}" "${build}/bin/bifrost" export --symbol UPG) <("${build}/bin/bifrost" export --symbol UPG) || return 1
  came="$("${build}/bin/bifrost" db status --json)"
  grep -q '"name":"option_snapshots"[^}]*"layout":"hypertable","parts":1,' <<<"${came}" || { echo "${came}"; return 1; }
  "${build}/bin/bifrost" import "${work}/more.csv" && "${build}/bin/bifrost" db maintain --json &&
    grep -q '"name":"option_snapshots"[^}]*"layout":"hypertable","parts":2,' <<<"$("${build}/bin/bifrost" db status --json)" &&
    "${build}/bin/bifrost" db restore --replace "${work}/hypertables.bifrost" &&
    diff <(DATABASE_URL="${before}" "${build}/bin/bifrost" export --symbol UPG) <("${build}/bin/bifrost" export --symbol UPG)
}
check "backup and restore of hypertables, equal by hash and by export" return_of_hypertables

sql() { psql -X -At -v ON_ERROR_STOP=1 "$1" -c "$2"; }

# TimescaleDB's state of restoring belongs to the session that reads in, never to the database, whichever way a restore ends.
no_setting_is_left() {
  local settings
  settings="$(sql "host=${work}/srv/again user=bifrost dbname=postgres" "SELECT count(*), string_agg(setconfig::text, ' ') FROM pg_db_role_setting")"
  [ "${settings}" = '0|' ] || { echo "${settings}"; return 1; }
}
check "no restore leaves timescaledb.restoring set" no_setting_is_left

# A role that is no superuser is told so before anything is made, and brings the history back while it is one.
role_of_the_desk() {
  local -x PATH="${work}/clients:${PATH}" DATABASE_URL="host=${work}/srv/again user=desk dbname=desk"
  local admin="host=${work}/srv/again user=bifrost dbname=postgres" said
  sql "${admin}" "CREATE ROLE desk LOGIN CREATEDB" && sql "${admin}" "CREATE DATABASE desk OWNER desk" || return 1
  said="$("${build}/bin/bifrost" db restore "${work}/hypertables.bifrost" 2>&1)" && { echo "restored without a superuser"; return 1; }
  echo "${said}"
  grep -q 'superusers only; hint: ALTER ROLE' <<<"${said}" || return 1
  [ "$(sql "${DATABASE_URL}" "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'")" = 0 ] || { echo "the extension is left"; return 1; }
  sql "${admin}" "ALTER ROLE desk SUPERUSER" && "${build}/bin/bifrost" db restore "${work}/hypertables.bifrost" || return 1
  sql "${admin}" "ALTER ROLE desk NOSUPERUSER"
  "${build}/bin/bifrost" import "${work}/more.csv" && "${build}/bin/bifrost" db maintain --json && "${build}/bin/bifrost" db verify &&
    grep -q '"name":"option_snapshots"[^}]*"layout":"hypertable","parts":2,' <<<"$("${build}/bin/bifrost" db status --json)"
}
check "a restore of hypertables asks for a superuser, and the role may be an ordinary one afterwards" role_of_the_desk

# With a pg_restore that does not end by itself.
stopped() {
  local -x PATH="${work}/clients:${PATH}" DATABASE_URL="host=${work}/srv/again user=bifrost dbname=stopped"
  local restore said="${work}/stopped.log"
  sql "host=${work}/srv/again user=bifrost dbname=postgres" "CREATE DATABASE stopped" || return 1
  mkdir -p "${work}/slow"
  # shellcheck disable=SC2016
  printf '#!/bin/sh\ncase "$1" in --version) exec %s/clients/pg_restore --version;; esac\necho >%s/slow/began\nexec sleep 300\n' \
    "${work}" "${work}" >"${work}/slow/pg_restore"
  chmod 755 "${work}/slow/pg_restore"
  mkfifo "${work}/slow/began"
  PATH="${work}/slow:${PATH}" "${build}/bin/bifrost" db restore "${work}/hypertables.bifrost" >"${said}" 2>&1 &
  restore=$!
  timeout 60 cat "${work}/slow/began" >/dev/null || { cat "${said}"; return 1; }
  [ "$(sql "${DATABASE_URL}" "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'")" = 1 ] || return 1
  kill -TERM "${restore}"
  wait "${restore}" && { echo "ended as if all had come"; return 1; }
  cat "${said}"
  grep -q 'nothing was left behind' "${said}" &&
    [ "$(sql "${DATABASE_URL}" "SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'")" = 0 ]
}
check "a restore of hypertables that is stopped leaves no extension" stopped

# Killed outright it cannot tidy up; the database takes the next restore all the same, and makes chunks.
killed() {
  local -x PATH="${work}/clients:${PATH}" DATABASE_URL="host=${work}/srv/again user=bifrost dbname=stopped"
  local restore
  PATH="${work}/slow:${PATH}" "${build}/bin/bifrost" db restore "${work}/hypertables.bifrost" >"${log}" 2>&1 &
  restore=$!
  timeout 60 cat "${work}/slow/began" >/dev/null || return 1
  kill -KILL "${restore}"
  wait "${restore}" 2>/dev/null
  no_setting_is_left && "${build}/bin/bifrost" db restore "${work}/hypertables.bifrost" &&
    "${build}/bin/bifrost" import "${work}/more.csv" && "${build}/bin/bifrost" db verify &&
    grep -q '"name":"option_snapshots"[^}]*"layout":"hypertable","parts":2,' <<<"$("${build}/bin/bifrost" db status --json)"
}
check "a restore of hypertables that is killed keeps nothing from being restored" killed
check "no restore that failed leaves timescaledb.restoring set" no_setting_is_left

# Fault F8, the upgrade of the server: what a history on Debian 12's PostgreSQL holds is brought to Debian 13's by backup and restore, and
# proved equal there by the hashes that the backup carries.
upgrade() {
  local old=/usr/lib/postgresql/15/bin from="${work}/old" folder
  [ -x "${old}/postgres" ] || { echo "PostgreSQL 15 is not installed"; return 1; }
  for folder in "${from}" "${work}/srv/plain"; do mkdir -p "${folder}"; done
  chown postgres:postgres "${from}"
  chroot "${work}" chown postgres:postgres /srv/plain
  setpriv --reuid=postgres --regid=postgres --clear-groups "${old}/initdb" -D "${from}/data" -A trust -U bifrost --no-sync -E UTF8 >"${log}" 2>&1 || return 1
  inside "${bin}/initdb" -D /srv/plain/data -A trust -U bifrost --no-sync -E UTF8 >"${log}" 2>&1 || return 1
  setpriv --reuid=postgres --regid=postgres --clear-groups "${old}/postgres" -D "${from}/data" -c listen_addresses= \
    -c unix_socket_directories="${from}" -c fsync=off >"${work}/old.log" 2>&1 &
  servers+=("$!")
  chroot --userspec=postgres:postgres "${work}" /usr/bin/env -i LANG=C.UTF-8 PATH=/usr/bin:/bin "${bin}/postgres" -D /srv/plain/data \
    -c listen_addresses= -c unix_socket_directories=/srv/plain -c fsync=off >"${work}/new.log" 2>&1 &
  servers+=("$!")
  for _ in $(seq 150); do
    "${old}/createdb" -h "${from}" -U bifrost bifrost 2>/dev/null && break
    sleep 0.2
  done
  for _ in $(seq 150); do
    inside "${bin}/createdb" -h /srv/plain -U bifrost bifrost 2>/dev/null && break
    sleep 0.2
  done
  some_quotes >"${work}/upgrade.csv"
  local before="host=${from} user=bifrost dbname=bifrost" after="host=${work}/srv/plain user=bifrost dbname=bifrost"
  DATABASE_URL="${before}" "${build}/bin/bifrost" import "${work}/upgrade.csv" &&
    DATABASE_URL="${before}" "${build}/bin/bifrost" db maintain --json &&
    DATABASE_URL="${before}" "${build}/bin/bifrost" db backup "${work}/upgrade.bifrost" &&
    DATABASE_URL="${after}" "${build}/bin/bifrost" db restore "${work}/upgrade.bifrost" &&
    DATABASE_URL="${after}" "${build}/bin/bifrost" db verify &&
    diff <(DATABASE_URL="${before}" "${build}/bin/bifrost" export --symbol UPG) <(DATABASE_URL="${after}" "${build}/bin/bifrost" export --symbol UPG)
}
check "F8: a history of PostgreSQL 15 goes on in 17, equal by hash and by export" upgrade

# A history without hypertables takes the place of one with them, and TimescaleDB's scheduler does not keep the old one's name: by the role of the
# desk, which is no superuser any more.
stock_over_hypertables() {
  local -x PATH="${work}/clients:${PATH}" DATABASE_URL="host=${work}/srv/again user=desk dbname=desk"
  [ "$(sql "${DATABASE_URL}" "SELECT rolsuper FROM pg_roles WHERE rolname = 'desk'")" = f ] &&
    "${build}/bin/bifrost" db restore --replace "${work}/upgrade.bifrost" && "${build}/bin/bifrost" db verify &&
    [ "$(sql "${DATABASE_URL}" "SELECT count(*) FROM pg_database WHERE datname LIKE 'desk\_before\_%'")" = 1 ]
}
check "a stock history takes the place of hypertables without a superuser" stock_over_hypertables

# The server of the upgrade has the extension's files and has not loaded them.
not_loaded() {
  local -x PATH="${work}/clients:${PATH}" DATABASE_URL="host=${work}/srv/plain user=bifrost dbname=not_loaded"
  local said
  sql "host=${work}/srv/plain user=bifrost dbname=postgres" "CREATE DATABASE not_loaded" || return 1
  said="$("${build}/bin/bifrost" db restore "${work}/hypertables.bifrost" 2>&1)" && { echo "restored without the extension"; return 1; }
  echo "${said}"
  grep -q 'not loaded it; hint: shared_preload_libraries' <<<"${said}"
}
check "a restore of hypertables asks for the extension to be loaded" not_loaded

echo "${passed} passed, ${failed} failed, ${skipped} skipped"
[ "${failed}" -eq 0 ]
