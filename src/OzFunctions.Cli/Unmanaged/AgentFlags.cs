using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Submitting;
using OzFunctions.Requests;

namespace OzFunctions.Cli.Unmanaged;

/// <summary>
/// The flags of <c>oz agent run</c> (facts A2) by the same names. Those that a run request knows go through it; the rest is passed on as it was written.
/// </summary>
internal sealed class AgentFlags
{
    private readonly RequestOptions _request = new();
    private readonly Option<string?> _file = Value("--file", "FILE", "The agent's own configuration file", "-f");
    private readonly List<Option<string?>> _values;
    private readonly List<Option<string[]>> _lists;
    private readonly List<Option<bool>> _switches;

    public AgentFlags()
    {
        _values =
        [
            _file,
            Value("--output-format", "FORMAT", "pretty, text, json or ndjson"),
            Value("--mcp-startup-timeout", "SECONDS", "Most time for MCP servers to start"),
            Value("--snapshot-upload-timeout", "DUR", "Most time to upload the agent's snapshot"),
            Value("--snapshot-script-timeout", "DUR", "Most time of the snapshot's script"),
            Hidden("--bedrock-inference-role"), Hidden("--bedrock-role-region"), Hidden("--server-root-url"), Hidden("--ws-server-url"), Hidden("--session-sharing-server-url"),
        ];
        _lists = [HiddenList("--mcp-server"), HiddenList("--repository-head-override-json")];
        _switches =
        [
            Switch("--strict-mcp-startup", "An MCP server that does not start is fatal"),
            Switch("--no-snapshot", "No snapshot at the end of the run"),
            Switch("--debug", "The agent's own log on stderr"),
            Switch("--sandboxed", "Tell the agent that it runs isolated"),
            HiddenSwitch("--skip-initial-turn"), HiddenSwitch("--gui"), HiddenSwitch("--configure-git-credentials-with-github"), HiddenSwitch("--remove-repository-origins"),
        ];
    }

    public Option<string?> Cwd { get; } = Value("--cwd", "DIR", "Where the agent works [default: here]", "-C");

    public Option<string?> ApiKey { get; } = Value("--api-key", "KEY", "Sets WARP_API_KEY of the agent; others see arguments, so prefer the variable");

    public Option<string?> TaskId { get; } = Hidden("--task-id");

    public Option<string?> IdleOnFail { get; } = new("--idle-on-fail") { HelpName = "DUR", Description = "Keep the agent after a failure", Arity = ArgumentArity.ZeroOrOne };

    /// <summary>What a run request knows.</summary>
    public RequestOptions Request => _request;

    public IEnumerable<Symbol> All =>
    [
        _request.Prompt, _request.SavedPrompt, _request.Skill, Cwd, _request.Share, _request.Name, _request.Model, _request.Profile, _request.Mcp, _request.Environment,
        _request.Conversation, _request.Harness, _request.ComputerUse, _request.NoComputerUse, _request.IdleOnComplete, IdleOnFail,
        .. _values, .. _switches, .. _lists, TaskId, ApiKey, _request.Title, _request.Timeout, _request.SilenceTimeout, _request.Artifacts, _request.NoChanges, _request.Metadata,
    ];

    /// <summary>What the agent is given beside what the request says, as the caller wrote it.</summary>
    public IEnumerable<string> PassedOn(CommandContext context)
    {
        foreach (var option in _values.Append(TaskId).Where(option => context.Has(option)))
        {
            yield return $"{option.Name}={(option == _file ? PathOfCaller(context, context.Get(option)!) : context.Get(option))}";
        }

        if (context.Has(IdleOnFail))
        {
            yield return context.Get(IdleOnFail) is { } time ? $"{IdleOnFail.Name}={time}" : IdleOnFail.Name;
        }

        foreach (var value in _lists.SelectMany(option => (context.Get(option) ?? []).Select(value => $"{option.Name}={value}")))
        {
            yield return value;
        }

        foreach (var option in _switches.Where(option => context.Get(option)))
        {
            yield return option.Name;
        }
    }

    /// <summary>The request with files of the caller's directory named so that the agent finds them from another one.</summary>
    public RunRequest OfCaller(CommandContext context, RunRequest request) => request.Mcp is { } servers
        ? request with { Mcp = [.. servers.Select(server => File.Exists(PathOfCaller(context, server)) ? PathOfCaller(context, server) : server)] }
        : request;

    /// <summary>Flags on this command line that only <c>oz</c> understands.</summary>
    public IEnumerable<string> OnlyForOz(CommandContext context)
    {
        Option[] some =
        [
            _request.SavedPrompt, _request.Skill, _request.Share, _request.Name, _request.Profile, _request.Mcp, _request.Environment, _request.Conversation, _request.Harness,
            _request.ComputerUse, _request.NoComputerUse, _request.IdleOnComplete, IdleOnFail, TaskId, ApiKey, .. _values, .. _lists, .. _switches,
        ];
        return some.Where(context.Has).Select(option => option.Name);
    }

    /// <summary>As it was written where the agent works in the caller's directory, from which it reads the path as the caller does.</summary>
    private string PathOfCaller(CommandContext context, string path) => context.Has(Cwd) ? Path.GetFullPath(Path.Combine(context.Surroundings.Directory, path)) : path;

    private static Option<string?> Value(string name, string value, string description, params string[] aliases) => new(name, aliases) { HelpName = value, Description = description };

    private static Option<string?> Hidden(string name) => new(name) { Hidden = true };

    private static Option<string[]> HiddenList(string name) => new(name) { Hidden = true, AllowMultipleArgumentsPerToken = false };

    private static Option<bool> Switch(string name, string description) => new(name) { Description = description, Arity = ArgumentArity.Zero };

    private static Option<bool> HiddenSwitch(string name) => new(name) { Hidden = true, Arity = ArgumentArity.Zero };
}
