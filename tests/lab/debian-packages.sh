#!/usr/bin/env bash
# The Debian packages that the lab needs. Without an argument it only lists them; with `install` it installs them (root).
# Go 1.26 or later comes besides; no service is started.
set -euo pipefail

packages=(
  containerd runc containernetworking-plugins # containers and the network in them
  iptables conntrack socat iproute2 util-linux procps # what kubelet and kube-proxy call
  mmdebstrap gcc libc6-dev openssl curl # images, the pause program, certificates
)

case "${1:-}" in
  '') printf '%s\n' "${packages[@]}" ;;
  install)
    missing=()
    for name in "${packages[@]}"; do
      [[ $(dpkg-query -W -f '${Status}' "$name" 2>/dev/null) == *" installed" ]] || missing+=("$name")
    done
    if ((${#missing[@]} == 0)); then
      echo "already installed: ${packages[*]}"
      exit 0
    fi
    echo "installing from Debian: ${missing[*]}"
    # Packages would start services of their own; the lab starts its own, so service starts are refused meanwhile.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
      printf '#!/bin/sh\nexit 101\n' >"$policy"
      chmod 0755 "$policy"
      trap 'rm -f "$policy"' EXIT
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
    ;;
  *)
    echo "usage: $0 [install]" >&2
    exit 2
    ;;
esac
