#!/bin/bash
# What the peers need, for `python -m bench peers`: Debian's packages (as root), the rest apart under bench/out/peers.
# Run it again after a change of requirements.txt or package.json: what is there already is left alone.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
house="$here/../.."
place="$here/../out/peers"

missing=()
command -v wrk >/dev/null || missing+=(wrk)
command -v nginx >/dev/null || test -x /usr/sbin/nginx || missing+=(nginx-light)
command -v redis-server >/dev/null || missing+=(redis-server)
compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null || missing+=(postgresql)
command -v npm >/dev/null || missing+=(nodejs npm)
if [ "${#missing[@]}" -gt 0 ]; then
  # RUNLEVEL=1: none of them is started as a service of the machine; the bench starts its own and stops them.
  export RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -q -y --no-install-recommends "${missing[@]}" || echo "Some peers won't be measured: ${missing[*]}"
fi

mkdir -p "$place"
test -x "$place/venv/bin/python" || "${PYTHON:-python3}" -m venv "$place/venv"
# The same aiohttp, uvloop and msgspec as the bare server's and ours, then the peers' own clients.
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
  -r "$house/requirements/run.txt" --require-hashes
"$place/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"

cp "$here/package.json" "$place/"
(cd "$place" && npm install --no-audit --no-fund --no-package-lock --silent) || echo "Restate won't be measured."
