using System.CommandLine;

namespace OzFunctions.Cli.Submitting;

/// <summary>The flags of <c>ozf run</c> that make a run request. Those that <c>oz agent run</c> knows keep their names (facts A2).</summary>
internal sealed class RequestOptions
{
    public Option<string?> Prompt { get; } = Text("--prompt", "TEXT", "What the agent is to do", "-p");

    public Option<string?> SavedPrompt { get; } = Text("--saved-prompt", "ID", "A prompt saved in Warp, instead of --prompt");

    public Option<string?> Skill { get; } = Text("--skill", "SPEC", "A skill: name, path/SKILL.md, org/repo:name");

    public Option<string?> Name { get; } = Text("--name", "NAME", "Label for grouping", "-n");

    public Option<string?> Title { get; } = Text("--title", "TEXT", "What lists show of the run");

    public Option<string?> Model { get; } = Text("--model", "ID", "Model of the agent");

    public Option<string?> Profile { get; } = Text("--profile", "ID", "Agent permission profile");

    public Option<string[]> Mcp { get; } = Many("--mcp", "SPEC", "MCP server: id, JSON file, or JSON (repeat)");

    public Option<string?> Environment { get; } = Text("--environment", "ID", "Cloud environment definition", "-e");

    public Option<string?> Conversation { get; } = Text("--conversation", "ID", "Continue an earlier conversation");

    public Option<string[]> Share { get; } = Many("--share", "WHO[:LEVEL]", "team, public or an address, :view or :edit (repeat)");

    public Option<string?> Harness { get; } = Text("--harness", "NAME", "oz, claude, codex or gemini");

    public Option<bool> ComputerUse { get; } = Switch("--computer-use", "Allow computer use");

    public Option<bool> NoComputerUse { get; } = Switch("--no-computer-use", "Forbid computer use");

    public Option<string?> IdleOnComplete { get; } = Text("--idle-on-complete", "DUR", "Keep the agent for follow-ups [default: 0s]");

    public Option<string?> BasePrompt { get; } = Text("--base-prompt", "TEXT", "Put before the prompt");

    public Option<string?> Host { get; } = Text("--host", "WORKER", "Worker that is to take the run", "--worker-id");

    public Option<string?> IdempotencyKey { get; } = Text("--idempotency-key", "KEY", "A repeat with this key answers the first run");

    public Option<string?> Timeout { get; } = Text("--timeout", "DUR", "Most time of the agent [default: 2h]");

    public Option<string?> SilenceTimeout { get; } = Text("--silence-timeout", "DUR", "Most time without output [default: off]");

    public Option<string?> SetupTimeout { get; } = Text("--setup-timeout", "DUR", "Most time of the setup [default: 15m]");

    public Option<string[]> Artifacts { get; } = Many("--artifact", "GLOB", "Files of the workspace to keep (repeat)");

    public Option<bool> NoChanges { get; } = Switch("--no-changes", "Keep no patch of repository changes");

    public Option<string?> Priority { get; } = Text("--priority", "N", "-5 to 5; one step weighs ten minutes of waiting");

    public Option<string?> NotBefore { get; } = Text("--not-before", "TIME", "Start at this time (RFC 3339), not earlier");

    public Option<string?> ExpiresAt { get; } = Text("--expires-at", "TIME", "Ends as expired if not started by this time");

    public Option<string?> ConcurrencyKey { get; } = Text("--concurrency-key", "KEY", "One live run per key and worker");

    public Option<string?> OnConflict { get; } = Text("--on-conflict", "RULE", "queue, skip or cancel_previous");

    public Option<string?> MaxAttempts { get; } = Text("--max-attempts", "N", "How often the agent may be started [default: 1]");

    public Option<string[]> Env { get; } = Many("--env", "NAME[=VALUE]", "Variable of the run; without a value, this shell's (repeat)");

    public Option<string[]> Secret { get; } = Many("--secret", "NAME[=SECRET]", "Variable from the host's secrets[] (repeat)");

    public Option<string[]> Metadata { get; } = Many("--metadata", "KEY=VALUE", "Kept with the run and its event (repeat)");

    public Option<string?> File { get; } = Text("--file", "FILE", "The request as JSON, - for stdin; flags are laid over it", "-f");

    /// <summary>Text flags with the request's field that each one sets.</summary>
    public IReadOnlyList<(Option<string?> Option, string Field)> Texts =>
    [
        (Prompt, "prompt"), (SavedPrompt, "saved_prompt"), (Skill, "skill"), (Name, "name"), (Title, "title"), (Model, "model"), (Profile, "profile"),
        (Environment, "environment"), (Conversation, "conversation"), (Harness, "harness"), (IdleOnComplete, "idle_on_complete"), (BasePrompt, "base_prompt"),
        (Host, "worker_id"), (IdempotencyKey, "idempotency_key"), (Timeout, "timeout"), (SilenceTimeout, "silence_timeout"), (SetupTimeout, "setup_timeout"),
        (NotBefore, "not_before"), (ExpiresAt, "expires_at"), (ConcurrencyKey, "concurrency_key"), (OnConflict, "on_conflict"),
    ];

    public IReadOnlyList<(Option<string?> Option, string Field)> Numbers => [(Priority, "priority"), (MaxAttempts, "max_attempts")];

    public IReadOnlyList<(Option<string[]> Option, string Field)> Lists => [(Mcp, "mcp"), (Share, "share"), (Artifacts, "artifacts")];

    public void AddTo(Command command)
    {
        Symbol[] all =
        [
            Prompt, File, Title, Host, IdempotencyKey, Timeout, SilenceTimeout, SetupTimeout, Artifacts, NoChanges, Env, Secret, Metadata, Priority,
            NotBefore, ExpiresAt, ConcurrencyKey, OnConflict, MaxAttempts, SavedPrompt, Skill, BasePrompt, Name, Model, Profile, Mcp, Environment,
            Conversation, Share, Harness, ComputerUse, NoComputerUse, IdleOnComplete,
        ];
        foreach (var option in all.Cast<Option>())
        {
            command.Add(option);
        }
    }

    private static Option<string?> Text(string name, string value, string description, params string[] aliases) =>
        new(name, aliases) { HelpName = value, Description = description };

    private static Option<string[]> Many(string name, string value, string description) =>
        new(name) { HelpName = value, Description = description, Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false };

    private static Option<bool> Switch(string name, string description) => new(name) { Description = description, Arity = ArgumentArity.Zero };
}
