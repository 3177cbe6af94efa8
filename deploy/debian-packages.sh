#!/usr/bin/env bash
# Installs the Debian programs that tests talk to:
#   prometheus                a real metric server, for the contract and integration tests; with promtool
#   victoria-metrics          another kind of it, for the contract tests
#   prometheus-alertmanager   sends the webhook, receives alerts and silences
#   chromium                  opens the page as a person does
#   npm                       takes the scripts that the page draws with (make page)
#   openssl                   makes the certificates of a test's servers
# What comes as a wheel (kubectl) stands in requirements/dev.txt.
# Nothing else is installed and no service is started. What is there already is left alone.
set -euo pipefail

wanted=(prometheus victoria-metrics prometheus-alertmanager chromium npm openssl)

missing=()
for name in "${wanted[@]}"; do
  command -v "$name" >/dev/null || missing+=("$name")
done
if ((${#missing[@]} == 0)); then
  echo "already installed: ${wanted[*]}"
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "NOT INSTALLED: ${missing[*]} (this is no Debian; install them by hand, their tests are NOT RUN until then)" >&2
  exit 1
fi
root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "needs root: run it as root, or install sudo" >&2; exit 1; }
  root=(sudo)
fi

echo "installing from Debian: ${missing[*]}"
# The package would start a server of its own; tests start theirs, so service starts are refused meanwhile.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
  "${root[@]}" chmod 0755 "$policy"
  trap '"${root[@]}" rm -f "$policy"' EXIT
fi
"${root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
