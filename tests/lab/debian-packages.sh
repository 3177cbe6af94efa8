#!/bin/sh
# The Debian packages that the lab needs. Without an argument it only prints them; with `install` it installs them (root).
set -eu

# containers and their network
packages="containerd runc containernetworking-plugins iptables conntrack socat iproute2 util-linux procps"
# the images' base system, the pause program, certificates
packages="$packages mmdebstrap gcc libc6-dev openssl"

case "${1:-}" in
'') printf 'The lab needs these Debian packages (Go 1.26 or later comes besides):\n'
    printf '  %s\n' $packages
    printf 'Install them with: %s install\n' "$0" ;;
install)
    printf 'Installing: %s\n' "$packages"
    apt-get update -q
    # shellcheck disable=SC2086 # the list is meant to fall apart into words
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages ;;
*) printf 'usage: %s [install]\n' "$0" >&2; exit 2 ;;
esac
