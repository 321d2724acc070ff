#!/bin/sh
# Completion event on stdin (events[].command): posts how a run ended into the Slack thread that asked for it. Needs jq, curl, ozf and SLACK_BOT_TOKEN.
set -eu
event=$(cat)
get() { printf '%s' "$event" | jq -r "$1 // empty"; }
channel=$(get .data.metadata.channel)
thread=$(get .data.metadata.thread)
[ -n "$channel" ] && [ -n "$thread" ] || exit 0
run=$(get .data.run_id)

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
ozf runs artifacts "$run" --download "$place/artifacts" >&2 || true
if [ "$(get .data.state)" = SUCCEEDED ] && [ -f "$place/artifacts/answer.md" ]; then
    head -c 30000 "$place/artifacts/answer.md" >"$place/text"
else
    printf 'Run %s ended %s: %s' "$run" "$(get .data.state)" "$(get .data.message)" >"$place/text"
fi

# The token goes by a file, not by an argument that every user of the machine can read.
printf 'header = "Authorization: Bearer %s"\n' "$SLACK_BOT_TOKEN" >"$place/curl"
jq -n --arg channel "$channel" --arg thread "$thread" --rawfile text "$place/text" '{channel: $channel, thread_ts: $thread, text: $text}' |
    curl -sS --fail --max-time 20 --config "$place/curl" -H 'Content-Type: application/json; charset=utf-8' --data-binary @- "${SLACK_API:-https://slack.com/api}/chat.postMessage" |
    jq -e .ok >/dev/null
