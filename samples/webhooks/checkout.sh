#!/bin/sh
# Setup command: clones the repository that the run's metadata names, at the ref that it names. Needs jq and git; git's credentials are the host's own
# (backend.direct.environment or ~/.config/git). What the metadata says came with a delivery: it is checked, and never more than an argument.
set -eu
repository=$(jq -r '.metadata.repository // empty' "$OZF_REQUEST_FILE")
ref=$(jq -r '.metadata.ref // empty' "$OZF_REQUEST_FILE")
printf '%s' "$repository" | grep -Eqx '[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+' || { echo "no repository in the metadata" >&2; exit 1; }
git clone --quiet --depth 50 -- "${GIT_SERVER:-https://github.com}/$repository" .
if [ -n "$ref" ]; then
    printf '%s' "$ref" | grep -Eqx 'refs/(pull|heads|tags)/[A-Za-z0-9_./-]+' || { echo "no ref: $ref" >&2; exit 1; }
    git fetch --quiet --depth 50 origin "$ref"
    git checkout --quiet FETCH_HEAD
fi
