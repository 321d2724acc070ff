#!/usr/bin/env bash
# Installs the Oz CLI of the wanted channel on a Debian-like runner where it is not in PATH.
set -euo pipefail
agent=${INPUT_AGENT:-}
if [ -n "$agent" ] && [ "$agent" != oz ]; then exit 0; fi
channel=${INPUT_OZ_CHANNEL:-stable}
version=${INPUT_OZ_VERSION:-latest}
case $channel in stable) program=oz ;; preview) program=oz-preview ;; *) echo "::error::oz_channel is '$channel'; there are stable and preview"; exit 64 ;; esac
if command -v "$program" >/dev/null 2>&1; then
    [ "$version" = latest ] || echo "::warning::oz_version $version is not installed, because $program is in PATH already"
    exit 0
fi
case $(uname -m) in x86_64) arch=x86_64 deb=amd64 ;; aarch64 | arm64) arch=aarch64 deb=arm64 ;; *) echo "::error::There is no Oz CLI for $(uname -m)."; exit 69 ;; esac
if [ "$version" = latest ]; then
    url="https://app.warp.dev/download/cli?os=linux&package=deb&arch=$arch&channel=$channel"
else
    url="https://releases.warp.dev/$channel/v${version#v}/oz_${channel}_${version#v}_$deb.deb"
fi
package=$(mktemp --suffix .deb)
trap 'rm -f "$package"' EXIT
curl --fail --silent --show-error --location --retry 3 --output "$package" "$url"
# dpkg leaves a package whose dependencies are missing half installed; apt-get gets them.
sudo dpkg -i "$package" || sudo apt-get install --fix-broken --yes
command -v "$program" >/dev/null 2>&1 || { echo "::error::$url is installed, and $program is not in PATH"; exit 69; }
