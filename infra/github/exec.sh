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

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
result=$place/result.json
output=$place/output
pipe=$place/pipe
mkfifo -m 600 "$pipe"
touch "$place/began"
# Only set where the agent is oz: its program.
oz=
# A delimiter that the agent cannot know.
mark=ozf_$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
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
    # A JSON text that does not end in its first line is one value, as the vendor's action takes it; all else has one a line.
    mcp=${INPUT_MCP:-}
    read -r first <<<"${mcp#"${mcp%%[![:space:]]*}"}"
    case ${first%$'\r'} in '' | [!{[]* | [{[]*[]}]) lines mcp "$mcp" ;; *) value mcp "$mcp" ;; esac
    value environment "${INPUT_ENVIRONMENT:-}"
    # Without a profile the CLI's own list of forbidden commands fails headless runs.
    if [ -n "${INPUT_PROFILE:-}" ]; then value profile "$INPUT_PROFILE"; else args+=(--sandboxed); fi
    value output-format "${INPUT_OUTPUT_FORMAT:-}"
    lines share "${INPUT_SHARE:-}"
    [ "${INPUT_COMPUTER_USE:-false}" != true ] || args+=(--computer-use)
    [ "${INPUT_DEBUG:-false}" != true ] || args+=(--debug)
    oz=oz log=warp-terminal/oz/warp.log
    if [ "${INPUT_OZ_CHANNEL:-stable}" = preview ]; then
        # The agent is looked for as oz; the preview's program has another name.
        oz=$place/bin/oz log=warp-terminal-preview/oz/warp_preview.log
        mkdir "$place/bin"
        printf '#!/bin/sh\nexec oz-preview "$@"\n' >"$oz"
        chmod 755 "$oz"
        export PATH="$place/bin:$PATH"
    fi
else
    value agent "$INPUT_AGENT"
    # A saved prompt or a skill is what is asked for, so ozf refuses it; the rest can be left out. What an input says of itself when it is not given is no wish.
    for name in NAME MCP ENVIRONMENT PROFILE SHARE OUTPUT_FORMAT COMPUTER_USE DEBUG; do
        variable=INPUT_$name
        case ${!variable:-} in '' | false) ;; *) [ "$name=${!variable}" = OUTPUT_FORMAT=text ] || echo "::warning::${name,,} applies to oz only and is ignored" ;; esac
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
[ ! -s "$result" ] || command -v python3 >/dev/null || echo '::warning::python3 is not here, so the outputs run_id, state, log_url and artifacts stay empty'
if [ -n "${GITHUB_OUTPUT:-}" ]; then
    {
        printf 'run_id=%s\nstate=%s\nlog_url=%s\nartifacts=%s\n' "$(field run_id)" "$(field state)" "$(field log_url)" "$(field artifacts)"
        printf 'agent_output<<%s\n' "$mark"
        cat "$output"
        printf '\n%s\n' "$mark"
    } >>"$GITHUB_OUTPUT"
fi

if [ -n "$oz" ]; then
    log=${XDG_STATE_HOME:-${HOME:-}/.local/state}/$log
    if [ "$code" -ne 0 ] && [ "$log" -nt "$place/began" ]; then
        printf '::group::Log of oz\n::stop-commands::%s\n' "$mark"
        tail -n 1000 "$log"
        printf '\n::%s::\n::endgroup::\n' "$mark"
    fi
    # An agent that was killed leaves its run open at Oz; this is the one call that tells of its end (facts A7.6). It comes last, for each call of oz begins the log anew.
    run=$(field oz_run_id)
    end=()
    [ "$code" -eq 0 ] || end=(--error-category process_exit --error-message "agent exited with status $code")
    [ -z "$run" ] ||
        timeout -k 5 30 "$oz" harness-support --run-id "$run" report-shutdown ${end[@]+"${end[@]}"} >/dev/null 2>&1 ||
        echo "::notice::Oz was not told that its run $run is over"
fi
exit "$code"
