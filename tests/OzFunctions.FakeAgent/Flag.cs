namespace OzFunctions.FakeAgent;

internal enum Takes
{
    Nothing,
    Value,
    OptionalValue,
}

/// <summary>One flag of <c>oz agent run</c> (facts A2).</summary>
internal sealed record Flag(string Name, Takes Takes, string ValueName = "", char Short = '\0', bool Repeatable = false)
{
    /// <summary>As clap writes it in messages.</summary>
    public string Text => Takes switch
    {
        Takes.Value => $"--{Name} <{ValueName}>",
        Takes.OptionalValue => $"--{Name} [<{ValueName}>]",
        _ => $"--{Name}",
    };

    /// <summary>Global flags may stand before the subcommand too.</summary>
    public static readonly Flag[] Global =
    [
        new("api-key", Takes.Value, "KEY"),
        new("output-format", Takes.Value, "OUTPUT_FORMAT"),
        new("debug", Takes.Nothing),
        new("server-root-url", Takes.Value, "URL"),
        new("ws-server-url", Takes.Value, "URL"),
        new("session-sharing-server-url", Takes.Value, "URL"),
    ];

    public static readonly Flag[] AgentRun =
    [
        .. Global,
        new("prompt", Takes.Value, "PROMPT", 'p'),
        new("saved-prompt", Takes.Value, "SAVED_PROMPT"),
        new("skill", Takes.Value, "SPEC"),
        new("task-id", Takes.Value, "TASK_ID"),
        new("model", Takes.Value, "MODEL"),
        new("name", Takes.Value, "NAME", 'n'),
        new("cwd", Takes.Value, "PATH", 'C'),
        new("file", Takes.Value, "PATH", 'f'),
        new("mcp", Takes.Value, "SPEC", Repeatable: true),
        new("mcp-server", Takes.Value, "UUID", Repeatable: true),
        new("strict-mcp-startup", Takes.Nothing),
        new("mcp-startup-timeout", Takes.Value, "DURATION"),
        new("environment", Takes.Value, "ID", 'e'),
        new("conversation", Takes.Value, "ID"),
        new("profile", Takes.Value, "ID"),
        new("share", Takes.OptionalValue, "WHO", Repeatable: true),
        new("no-snapshot", Takes.Nothing),
        new("snapshot-upload-timeout", Takes.Value, "DURATION"),
        new("snapshot-script-timeout", Takes.Value, "DURATION"),
        new("idle-on-complete", Takes.OptionalValue, "DURATION"),
        new("idle-on-fail", Takes.OptionalValue, "DURATION"),
        new("skip-initial-turn", Takes.Nothing),
        new("sandboxed", Takes.Nothing),
        new("harness", Takes.Value, "HARNESS"),
        new("computer-use", Takes.Nothing),
        new("no-computer-use", Takes.Nothing),
        new("bedrock-inference-role", Takes.Value, "ROLE"),
        new("bedrock-role-region", Takes.Value, "REGION"),
        new("gui", Takes.Nothing),
        new("configure-git-credentials-with-github", Takes.Nothing),
        new("repository-head-override-json", Takes.Value, "JSON", Repeatable: true),
        new("remove-repository-origins", Takes.Nothing),
    ];
}
