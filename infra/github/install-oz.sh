#!/usr/bin/env bash
# Installs the Oz CLI on a Debian-like runner where it is not in PATH.
set -euo pipefail
agent=${INPUT_AGENT:-}
if [ -n "$agent" ] && [ "$agent" != oz ]; then exit 0; fi
if command -v oz >/dev/null 2>&1; then exit 0; fi
case $(uname -m) in x86_64) arch=x86_64 ;; aarch64 | arm64) arch=aarch64 ;; *) echo "::error::There is no Oz CLI for $(uname -m)."; exit 69 ;; esac
channel=${INPUT_OZ_CHANNEL:-stable}
version=${INPUT_OZ_VERSION:-latest}
if [ "$version" = latest ]; then
    url="https://app.warp.dev/download/cli?os=linux&package=deb&arch=$arch&channel=$channel"
else
    deb=amd64; [ "$arch" = x86_64 ] || deb=arm64
    url="https://releases.warp.dev/$channel/$version/oz_${version#v}_$deb.deb"
fi
package=$(mktemp --suffix .deb)
curl --fail --silent --show-error --location --retry 3 --output "$package" "$url"
sudo dpkg -i "$package"
rm -f "$package"
