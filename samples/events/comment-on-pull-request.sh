#!/bin/sh
# Comments on the pull requests that a run opened: how the run ended, and where its log is. For ozf.yaml:
#
#   events:
#     - name: comment
#       command: /etc/ozf/comment-on-pull-request.sh
#       environment:
#         - name: GITHUB_TOKEN            # may write comments (pull requests: write)
#           value: { file: /etc/ozf/github-token }
#
# The event comes on standard input. An event may come twice, so a comment carries its id, and a pull request that has it gets no second one.
# Exit 0: done. Anything else: ozf tries again for a day. Needs curl and jq.
set -eu

api=${GITHUB_API_URL:-https://api.github.com}
event=$(cat)
say() { printf '%s' "$event" | jq -r "$1"; }

id=$(say .id)
body=$(say '.data | "**\(.title // "Agent run")**: \(.state)" + (if .message then " (\(.message))" else "" end)
    + (if .log then "\n\n[Log](\(.log.url)), \(.log.lines) lines" else "" end) + (if .session_url then " · [Session](\(.session_url))" else "" end)')

# The token goes by standard input: arguments are seen by every user of the machine.
github() { printf 'Authorization: Bearer %s\n' "$GITHUB_TOKEN" | curl --silent --show-error --fail --max-time 20 -H @- -H 'Accept: application/vnd.github+json' "$@"; }

say '.data.pull_requests // [] | .[].url' | sed -nE 's#^https://[^/]+/([^/]+/[^/]+)/pull/([0-9]+).*#\1 \2#p' | while read -r repository number; do
    comments="$api/repos/$repository/issues/$number/comments"
    if github "$comments?per_page=100" | jq -e --arg id "$id" 'any(.[]; .body | contains($id))' >/dev/null; then
        continue
    fi

    jq -n --arg body "$body

<!-- $id -->" '{body: $body}' > "${TMPDIR:-/tmp}/comment.$$"
    trap 'rm -f "${TMPDIR:-/tmp}/comment.$$"' EXIT
    github --output /dev/null --data "@${TMPDIR:-/tmp}/comment.$$" "$comments"
done
