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

comment=${TMPDIR:-/tmp}/comment.$$
trap 'rm -f "$comment"' EXIT
say '.data.pull_requests // [] | .[].url' | sed -nE 's#^https://[^/]+/([^/]+/[^/]+)/pull/([0-9]+).*#\1 \2#p' | while read -r repository number; do
    comments="$api/repos/$repository/issues/$number/comments"
    page=0 found=more last=
    while [ "$found" = more ]; do
        page=$((page + 1))
        # Each page into a variable first, oldest comments first: a call that failed must end this, and not pass for a page without the comment.
        answer=$(github "$comments?per_page=100&page=$page")
        found=$(printf '%s' "$answer" | jq -r --arg id "$id" 'if any(.[]; .body // "" | contains($id)) then "yes" elif . == [] then "no" else "more" end')
        # A server that knows no pages answers the same again.
        if [ "$found" = more ] && [ "$answer" = "$last" ]; then found=no; fi
        last=$answer
    done
    case "$found" in
        yes) continue ;;
        no) ;;
        *) echo "$comments: no list of comments was answered" >&2; exit 1 ;;
    esac

    jq -n --arg body "$body

<!-- $id -->" '{body: $body}' > "$comment"
    github --output /dev/null --data "@$comment" "$comments"
done
