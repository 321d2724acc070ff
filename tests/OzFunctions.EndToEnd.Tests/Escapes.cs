namespace OzFunctions.EndToEnd.Tests;

/// <summary>
/// Ways in which a process tries to outlive the command that started it. Each is a program of its own name below the test's directory, so that a survivor is
/// named, also one with an emptied environment, and each says that it started.
/// </summary>
internal static class Escapes
{
    public static readonly string[] Shapes = ["plain", "holds-output", "nohup", "setsid", "double-fork", "env-i", "ignores-signals", "stopped", "hopper"];

    /// <summary>Shell: starts one of each below <c>$SHAPES</c> and waits until all run.</summary>
    public const string Start = """
        mkdir -p "$SHAPES"
        for shape in plain holds-output nohup setsid double-fork env-i ignores-signals stopped; do cp "$(command -v sleep)" "$SHAPES/$shape"; done
        printf '#!/bin/sh\necho $$ >>"%s/$1.started"\nexec "%s/$1" 1000\n' "$SHAPES" "$SHAPES" >"$SHAPES/start"
        printf '#!/bin/sh\n[ -e "%s/hopper.started" ] || echo $$ >"%s/hopper.started"\nsleep 0.1\nsetsid "%s/hopper" &\n' "$SHAPES" "$SHAPES" "$SHAPES" >"$SHAPES/hopper"
        chmod +x "$SHAPES/start" "$SHAPES/hopper"
        "$SHAPES/start" plain >/dev/null 2>&1 &
        "$SHAPES/start" holds-output &
        nohup "$SHAPES/start" nohup >/dev/null 2>&1 &
        setsid "$SHAPES/start" setsid >/dev/null 2>&1 &
        ( ( setsid "$SHAPES/start" double-fork >/dev/null 2>&1 & ) & )
        env -i setsid "$SHAPES/start" env-i >/dev/null 2>&1 &
        ( trap '' INT TERM HUP QUIT; exec setsid "$SHAPES/start" ignores-signals ) >/dev/null 2>&1 &
        setsid "$SHAPES/start" stopped >/dev/null 2>&1 &
        setsid "$SHAPES/hopper" >/dev/null 2>&1 &
        for shape in plain holds-output nohup setsid double-fork env-i ignores-signals stopped hopper; do
            while [ ! -s "$SHAPES/$shape.started" ]; do sleep 0.02; done
        done
        kill -STOP "$(cat "$SHAPES/stopped.started")"
        echo ready
        """;
}
