#!/bin/sh
# publish.sh <outdir> [<copy>...]: makes <outdir>/ozf-shim, one file that needs nothing else on disk, and copies it to each <copy> that differs.
# Native AOT for net10.0 where the feed has its runtime pack, else for net9.0; without a C compiler or the packs (or with OZF_SHIM_NO_AOT=1) a
# self-contained trimmed single file. Silent unless it had to fall back. Several may run at once; one builds, the others wait and find it done.
set -eu

[ $# -ge 1 ] || { echo "usage: publish.sh <outdir> [<copy>...]" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift

# Held by this shell alone: the builds below close it, so that no build server keeps it.
exec 9>"$out/.lock"
if command -v flock >/dev/null 2>&1; then flock 9; fi

fingerprint() {
    { echo "no_aot=${OZF_SHIM_NO_AOT:-0}"
      find "$here" "$here/../OzFunctions.Shim.Protocol" \( -name bin -o -name obj \) -prune -o -type f \( -name '*.cs' -o -name '*.csproj' -o -name publish.sh \) -print0 \
          | LC_ALL=C sort -z | xargs -0 cat
      cat "$root/Directory.Build.props" "$root/Directory.Packages.props" "$root/global.json"
    } | sha256sum | cut -d ' ' -f 1
}

# $1: aot or single, $2: target framework. The environment of an outer MSBuild would send the inner one to the wrong place.
build() {
    work="$out/work-$1-$2"
    env -u MSBuildSDKsPath -u MSBuildExtensionsPath -u MSBUILD_EXE_PATH -u MSBUILDUSESERVER \
        "${DOTNET_HOST_PATH:-dotnet}" publish "$here/OzFunctions.Shim.csproj" -c Release -o "$work/out" --artifacts-path "$work" --disable-build-servers -nodeReuse:false -v quiet -nologo \
        -p:ShimKind="$1" -p:ShimFramework="$2" -p:RestoreLockedMode=false -p:NuGetLockFilePath="$work/packages.lock.json" \
        >"$out/publish-$1-$2.log" 2>&1 9>&- && mv -f "$work/out/ozf-shim" "$out/ozf-shim"
}

now=$(fingerprint)
if [ ! -x "$out/ozf-shim" ] || [ "$(cat "$out/.fingerprint" 2>/dev/null)" != "$now" ]; then
    rm -f "$out/.fingerprint"
    done=
    if [ "${OZF_SHIM_NO_AOT:-0}" != 1 ] && { command -v clang || command -v gcc; } >/dev/null 2>&1; then
        if build aot net10.0 || build aot net9.0; then done=1; fi
    fi
    if [ -z "$done" ]; then
        if build single net10.0; then
            echo "ozf-shim: Native AOT is not to be had here, made a self-contained single file instead ($out/publish-*.log)"
        else
            cat "$out/publish-single-net10.0.log" >&2
            echo "ozf-shim: could not be built; the logs are $out/publish-*.log" >&2
            exit 1
        fi
    fi
    echo "$now" >"$out/.fingerprint"
fi

for copy in "$@"; do
    if ! cmp -s "$out/ozf-shim" "$copy"; then
        # A running shim keeps its file: replaced by rename, never written over.
        mkdir -p "$(dirname "$copy")"
        cp "$out/ozf-shim" "$copy.$$"
        mv -f "$copy.$$" "$copy"
    fi
done
