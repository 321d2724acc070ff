#!/bin/sh
# package.sh [OUT]: makes OUT/ozf-VERSION-linux-x64.tar.gz (on ARM linux-arm64) and OUT/SHA256SUMS (default: .build/package/out). The archive holds ozf and its supervisor, each
# one file that needs no .NET on the machine, completions, the systemd unit, the sample agent and install.sh.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd -P)
out=${1:-$root/.build/package/out}
work=$root/.build/package
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' "$root/Directory.Build.props" | head -n 1)
version=${version:-0.0.0}
case $(uname -m) in x86_64) kind=x64 ;; aarch64 | arm64) kind=arm64 ;; *) echo "package.sh: there is no package for $(uname -m)" >&2; exit 69 ;; esac
command -v dotnet >/dev/null 2>&1 || { echo "package.sh: the .NET SDK is not here ('dotnet' is not in PATH); get version 10: https://dot.net" >&2; exit 69; }
name=ozf-$version-linux-$kind
mkdir -p "$out" "$work"
out=$(cd "$out" && pwd -P)
rm -rf "$work/stage"

env -u MSBuildSDKsPath -u MSBuildExtensionsPath -u MSBUILD_EXE_PATH dotnet publish "$root/src/OzFunctions.Cli/OzFunctions.Cli.csproj" -c Release -o "$work/stage/$name" \
    --artifacts-path "$work/build" --disable-build-servers -nodeReuse:false -v quiet -nologo -p:OzfPackage=true >&2

cd "$work/stage/$name"
rm -f ./*.pdb ./*.xml
mkdir -p completions systemd
./ozf completion bash >completions/ozf.bash
./ozf completion zsh >completions/_ozf
./ozf completion fish >completions/ozf.fish
cp "$root/infra/systemd/ozf-worker.service" systemd/
cp "$root/infra/package/install.sh" "$root/LICENSE" .
chmod 755 install.sh

# The same bytes from the same sources: names in order, no owners, one time.
cd "$work/stage"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-0}" -cf - "$name" | gzip -n >"$out/$name.tar.gz"
cd "$out"
sha256sum "$name.tar.gz" >SHA256SUMS
cp "$root/infra/package/install.sh" .
echo "$out/$name.tar.gz"
