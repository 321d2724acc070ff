#!/bin/sh
# Completion event on stdin (events[].command): posts how a run ended under the issue or pull request that asked for it.
# Needs jq, gh with GH_TOKEN, and ozf. An event may come twice: a comment that names the run is not posted again.
set -eu
event=$(cat)
get() { printf '%s' "$event" | jq -r "$1 // empty"; }
repository=$(get .data.metadata.repository)
number=$(get .data.metadata.number)
printf '%s' "$repository" | grep -Eqx '[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+' || exit 0
printf '%s' "$number" | grep -Eqx '[0-9]+' || exit 0
run=$(get .data.run_id)

# Into a variable first: a call that failed must end this, and not pass for comments that do not name the run.
comments=$(gh api --paginate "repos/$repository/issues/$number/comments?per_page=100" --jq '.[].body')
if printf '%s' "$comments" | grep -qF "$run"; then
    exit 0
fi

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
ozf runs artifacts "$run" --download "$place/artifacts" >&2 || true
{
    if [ "$(get .data.state)" = SUCCEEDED ] && [ -f "$place/artifacts/answer.md" ]; then
        head -c 60000 "$place/artifacts/answer.md"
    else
        printf 'The run ended %s: %s\n' "$(get .data.state)" "$(get .data.message)"
    fi
    printf '%s' "$event" | jq -r '.data.pull_requests[]? | "\n" + .url'
    printf '\n<sub>run %s</sub>\n' "$run"
} >"$place/comment.md"
gh api --method POST "repos/$repository/issues/$number/comments" -F "body=@$place/comment.md" >/dev/null
