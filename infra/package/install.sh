#!/bin/sh
# install.sh [--prefix DIR] [ARCHIVE]: installs ozf for this user, without root. DIR is ~/.local unless said otherwise. Beside an archive its SHA256SUMS is checked. Run from
# inside an unpacked archive it installs that one. Other versions stay where they are, so that what runs from them goes on.
set -eu

say() { echo "install.sh: $*" >&2; }

# $1: exit code; the rest is the sentence.
stop() { code=$1; shift; say "$*"; exit "$code"; }

prefix=
archive=
while [ $# -gt 0 ]; do
    case $1 in
    --prefix | --prefix=*)
        case $1 in *=*) prefix=${1#*=} ;; *) [ $# -gt 1 ] || stop 64 "--prefix needs a directory"; prefix=$2; shift ;; esac
        [ -n "$prefix" ] || stop 64 "--prefix needs a directory"
        ;;
    --help | -h) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
    -*) stop 64 "unknown flag '$1'; --prefix DIR is known" ;;
    *) [ -z "$archive" ] || stop 64 "one archive at a time: '$archive' or '$1'"; archive=$1 ;;
    esac
    shift
done
[ -n "$prefix" ] || prefix=${HOME:-}/.local
[ "$prefix" != /.local ] || stop 64 "HOME is not set; say where with --prefix DIR"
# The link to the program holds for every directory that it is called from.
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac

here=$(cd "$(dirname "$0")" && pwd -P)
temporary=
new=
trap '[ -z "$temporary" ] || rm -rf "$temporary"; [ -z "$new" ] || rm -rf "$new"' EXIT
trap 'exit 130' HUP INT TERM

if [ -n "$archive" ]; then
    [ -f "$archive" ] || stop 64 "there is no $archive"
    directory=$(dirname "$archive")
    if [ -f "$directory/SHA256SUMS" ]; then
        command -v sha256sum >/dev/null 2>&1 || stop 69 "sha256sum is not here, so $archive cannot be checked; nothing was installed"
        name=$(basename "$archive")
        wanted=$(while read -r sum file; do [ "${file#\*}" != "$name" ] || echo "$sum"; done <"$directory/SHA256SUMS")
        [ -n "$wanted" ] || stop 69 "$directory/SHA256SUMS does not name $name; nothing was installed. Both must be of one release, and keep their names"
        [ "$(sha256sum <"$archive" | cut -d ' ' -f 1)" = "$wanted" ] || stop 69 "$archive is not what SHA256SUMS says; nothing was installed. Get both again"
    else
        say "no SHA256SUMS beside $archive, so it is not checked"
    fi
    temporary=$(mktemp -d)
    tar -xzf "$archive" -C "$temporary" 2>/dev/null || stop 69 "$archive cannot be unpacked into ${TMPDIR:-/tmp}: it is damaged, or there is no room; nothing was installed"
    here=$(echo "$temporary"/ozf-*)
    [ -x "$here/ozf" ] && [ -f "$here/shim/ozf-shim" ] || stop 64 "$archive is no package of ozf; nothing was installed"
else
    [ -x "$here/ozf" ] && [ -f "$here/shim/ozf-shim" ] || stop 64 "there is no package beside this script in $here; name the archive: install.sh ozf-VERSION-linux-x64.tar.gz"
fi

# Asked where it is now: of another architecture or another C library it says nothing, and the reason is the system's.
said=$("$here/ozf" --version 2>&1) || said="- $said"
version=$(echo "$said" | sed -n '1s/^ozf //p' | tr -cd '0-9A-Za-z.-')
[ -n "$version" ] || stop 69 "$(basename "$here") does not run on this machine ($(uname -sm)); nothing was installed. It says: $(echo "${said#- }" | head -n 1)"

for directory in "$prefix/bin" "$prefix/lib/ozf"; do
    mkdir -p "$directory" 2>/dev/null && [ -w "$directory" ] || stop 69 "$directory cannot be written by $(id -un 2>/dev/null || id -u); nothing was installed. Choose another place with --prefix DIR, or make that one writable"
done
link=$prefix/bin/ozf
[ -h "$link" ] || [ ! -e "$link" ] || stop 69 "$link is there already and was not put there by this script; nothing was installed. Move it away, or choose another place with --prefix DIR"
before=$(readlink "$link" 2>/dev/null || true)

# The same version again is the same files, or a build of its own that gets a place of its own: what runs reads its program by name until it ends.
target=$prefix/lib/ozf/$version
sum() { cat "$1/ozf" "$1/shim/ozf-shim" 2>/dev/null | cksum; }
if [ -e "$target" ] && [ "$(sum "$target")" != "$(sum "$here")" ]; then target=$target-$(sum "$here" | cut -d ' ' -f 1); fi
if [ ! -e "$target" ] || [ "$(sum "$target")" != "$(sum "$here")" ]; then
    new=$target.new.$$
    cp -R "$here" "$new" || stop 69 "$here could not be copied to $prefix/lib/ozf; nothing was installed"
    rm -rf "$target"
    mv "$new" "$target"
    new=
fi
for pair in completions/ozf.bash:share/bash-completion/completions/ozf completions/_ozf:share/zsh/site-functions/_ozf completions/ozf.fish:share/fish/vendor_completions.d/ozf.fish; do
    { mkdir -p "$prefix/$(dirname "${pair#*:}")" && cp "$target/${pair%%:*}" "$prefix/${pair#*:}"; } 2>/dev/null || say "no completions at $prefix/${pair#*:}: it cannot be written"
done

# The last step, and one rename: 'ozf' is the old version or the new one, whatever happens.
ln -s "$target/ozf" "$link.new.$$"
mv -fT "$link.new.$$" "$link"

echo "ozf $version is at $link"
case $before in
"$target/ozf" | "") ;;
"$prefix/lib/ozf/"*) echo "${before%/ozf} stays for what still runs from it; remove it when nothing does" ;;
*) echo "before, it was a link to $before" ;;
esac
case ":$PATH:" in
*":$prefix/bin:"*)
    first=$(command -v ozf || true)
    [ "$first" = "$link" ] || echo "another one comes first in your PATH: $first"
    ;;
*) echo "add it to your PATH: export PATH=\"$prefix/bin:\$PATH\"" ;;
esac
