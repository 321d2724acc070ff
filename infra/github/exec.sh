#!/usr/bin/env bash
# One run of the action: ozf exec with the inputs as arguments (an array, never a shell), its results as outputs.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
ozf=$(command -v ozf || echo "$root/ozf")

if [ -z "${INPUT_PROMPT:-}${INPUT_SAVED_PROMPT:-}${INPUT_SKILL:-}" ]; then
    echo '::error::Either `prompt`, `saved_prompt`, or `skill` must be provided'
    exit 64
fi
if [ "${INPUT_CLOUD:-false}" = true ]; then
    echo '::error::cloud: true starts runs on the vendor'"'"'s hosts, which this action does not; leave it out, or submit to a worker of yours with ozf run --host'
    exit 64
fi
[ -z "${INPUT_HOST:-}" ] || echo '::warning::host applies to cloud runs only and is ignored'

result=$(mktemp)
output=$(mktemp)
pipe=$(mktemp -u)
mkfifo -m 600 "$pipe"
trap 'rm -f "$result" "$output" "$pipe"' EXIT
args=(exec "--result-file=$result")
value() { [ -z "$2" ] || args+=("--$1=$2"); }
lines() { while IFS= read -r line; do line=${line//$'\r'/}; [ -z "$line" ] || args+=("--$1=$line"); done <<<"$2"; }
value prompt "${INPUT_PROMPT:-}"
value saved-prompt "${INPUT_SAVED_PROMPT:-}"
value skill "${INPUT_SKILL:-}"
value model "${INPUT_MODEL:-}"
value cwd "${INPUT_CWD:-}"
value timeout "${INPUT_TIMEOUT:-}"
value config-file "${INPUT_CONFIG_FILE:-}"
lines artifact "${INPUT_ARTIFACT:-}"
if [ -z "${INPUT_AGENT:-}" ] || [ "${INPUT_AGENT}" = oz ]; then
    value name "${INPUT_NAME:-}"
    lines mcp "${INPUT_MCP:-}"
    value environment "${INPUT_ENVIRONMENT:-}"
    # Without a profile the CLI's own list of forbidden commands fails headless runs.
    if [ -n "${INPUT_PROFILE:-}" ]; then value profile "$INPUT_PROFILE"; else args+=(--sandboxed); fi
    value output-format "${INPUT_OUTPUT_FORMAT:-}"
    lines share "${INPUT_SHARE:-}"
    [ "${INPUT_COMPUTER_USE:-false}" != true ] || args+=(--computer-use)
    [ "${INPUT_DEBUG:-false}" != true ] || args+=(--debug)
else
    value agent "$INPUT_AGENT"
    for name in NAME MCP ENVIRONMENT PROFILE SHARE; do
        variable=INPUT_$name
        [ -z "${!variable:-}" ] || echo "::warning::${name,,} applies to oz only and is ignored"
    done
fi

# The key is in the environment and never on a command line; the inputs are not the agent's business.
[ -z "${INPUT_WARP_API_KEY:-}" ] || export WARP_API_KEY=$INPUT_WARP_API_KEY
for variable in ${!INPUT_@}; do unset "$variable"; done

# A runner that cancels signals this shell alone, and a shell that waits for a command in the foreground obeys no trap before that has ended. Groups of their own (-m):
# what a shell starts in the background ignores SIGINT without.
set -m
tee "$output" <"$pipe" &
tee=$!
"$ozf" "${args[@]}" >"$pipe" &
pid=$!
trap 'signalled=1; kill -TERM "$pid" 2>/dev/null' INT TERM
while signalled=; wait "$pid"; code=$?; [ -n "$signalled" ]; do :; done
trap '' INT TERM
wait "$tee"

field() { python3 -c 'import json,sys; v=json.load(open(sys.argv[1])).get(sys.argv[2],""); print(v if isinstance(v,str) else json.dumps(v,separators=(",",":")))' "$result" "$1" 2>/dev/null || true; }
if [ -n "${GITHUB_OUTPUT:-}" ]; then
    # A delimiter that the agent cannot know.
    mark=ozf_$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    {
        printf 'run_id=%s\nstate=%s\nlog_url=%s\nartifacts=%s\n' "$(field run_id)" "$(field state)" "$(field log_url)" "$(field artifacts)"
        printf 'agent_output<<%s\n' "$mark"
        cat "$output"
        printf '\n%s\n' "$mark"
    } >>"$GITHUB_OUTPUT"
fi
exit "$code"
