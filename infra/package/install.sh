#!/bin/sh
# install.sh [--prefix DIR] [ARCHIVE]: installs ozf for this user, without root. DIR is ~/.local unless said otherwise. Beside an archive its SHA256SUMS is checked. Run from
# inside an unpacked archive it installs that one.
set -eu
prefix=${HOME:?}/.local
archive=
while [ $# -gt 0 ]; do
    case $1 in
    --prefix) [ $# -gt 1 ] || { echo "install.sh: --prefix needs a directory" >&2; exit 64; }; prefix=$2; shift 2 ;;
    --help | -h) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
    -*) echo "install.sh: unknown flag '$1'; --prefix DIR is known" >&2; exit 64 ;;
    *) archive=$1; shift ;;
    esac
done

here=$(cd "$(dirname "$0")" && pwd -P)
temporary=
trap '[ -z "$temporary" ] || rm -rf "$temporary"' EXIT
if [ -n "$archive" ]; then
    [ -f "$archive" ] || { echo "install.sh: there is no $archive" >&2; exit 64; }
    sums=$(dirname "$archive")/SHA256SUMS
    if [ -f "$sums" ]; then
        (cd "$(dirname "$archive")" && grep " $(basename "$archive")\$" SHA256SUMS | sha256sum -c --quiet -) || { echo "install.sh: $archive is not what SHA256SUMS says; nothing was installed" >&2; exit 69; }
    else
        echo "install.sh: no SHA256SUMS beside $archive, so it is not checked" >&2
    fi
    temporary=$(mktemp -d)
    tar -xzf "$archive" -C "$temporary"
    here=$(echo "$temporary"/ozf-*)
fi
[ -x "$here/ozf" ] && [ -f "$here/shim/ozf-shim" ] || { echo "install.sh: $here holds no package; name the archive" >&2; exit 64; }

version=$("$here/ozf" --version 2>/dev/null | sed -n '1s/^ozf //p' | tr -cd '0-9A-Za-z.-')
[ -n "$version" ] || { echo "install.sh: $(basename "$here") does not run on this machine ($(uname -sm)); nothing was installed" >&2; exit 69; }
target=$prefix/lib/ozf/$version
mkdir -p "$prefix/bin" "$prefix/lib/ozf"
rm -rf "$target.new"
cp -R "$here" "$target.new"
# A version that runs keeps its files until it ends; its shims run from copies of their own.
[ ! -e "$target" ] || mv "$target" "$target.old.$$"
mv "$target.new" "$target"
rm -rf "$target".old.*
ln -sfn "$target/ozf" "$prefix/bin/ozf"
for pair in completions/ozf.bash:share/bash-completion/completions/ozf completions/_ozf:share/zsh/site-functions/_ozf completions/ozf.fish:share/fish/vendor_completions.d/ozf.fish; do
    mkdir -p "$prefix/$(dirname "${pair#*:}")"
    cp "$target/${pair%%:*}" "$prefix/${pair#*:}"
done
echo "ozf ${version} is at $prefix/bin/ozf"
case ":$PATH:" in *":$prefix/bin:"*) ;; *) echo "add it to your PATH: export PATH=\"$prefix/bin:\$PATH\"" ;; esac
