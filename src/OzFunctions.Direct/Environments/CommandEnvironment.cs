using System.Globalization;
using OzFunctions.Direct.Attempts;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Environments;

/// <summary>
/// Decides the whole environment of each command of one attempt (design section 8). Nothing of the host gets in but HOME, TMPDIR, PATH
/// and what configuration names; later layers win over earlier ones, what the product itself says wins over all.
/// </summary>
internal sealed class CommandEnvironment
{
    private const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    private readonly DirectOptions _options;
    private readonly AttemptPlaces _places;
    private readonly RunRecord _record;
    private readonly string _workspace;
    private readonly IReadOnlyDictionary<string, string> _requested;
    private readonly (string Variable, string Directory)? _harness;

    public CommandEnvironment(DirectOptions options, AttemptPlaces places, string workspace, RunRecord record)
    {
        (_options, _places, _workspace, _record) = (options, places, workspace, record);
        _requested = Resolve(options, record.Request);
        _harness = record.Request.Harness switch
        {
            "claude" => ("CLAUDE_CONFIG_DIR", ".claude"),
            "codex" => ("CODEX_HOME", ".codex"),
            _ => null,
        };
    }

    /// <summary>Directories below the workspace in which an agent keeps its own state. An agent of <c>ozf exec</c> has it where its caller does; there they are the repository's.</summary>
    public IReadOnlyList<string> StateDirectories => _options.Managed && _harness is { } harness ? [harness.Directory] : [];

    public IReadOnlyList<string> ForSetup()
    {
        // The vendor's three (facts B3.5): what is configured wins over them, and teardown has none.
        var variables = Hook(("TASK_ID", _record.RunId.Value), ("GIT_TERMINAL_PROMPT", "0"), ("GH_PROMPT_DISABLED", "1"));
        variables["OZ_ENVIRONMENT_FILE"] = _places.EnvironmentFile;
        variables["OZF_REQUEST_FILE"] = _places.RequestFile;
        return Render(variables);
    }

    public IReadOnlyList<string> ForTeardown(RunReason reason, int? exitCode)
    {
        var variables = Hook();
        variables["OZF_RUN_STATE"] = reason.State().Text();
        variables["OZF_RUN_REASON"] = reason.Text();
        variables["OZF_EXIT_CODE"] = exitCode?.ToString(CultureInfo.InvariantCulture) ?? "";
        return Render(variables);
    }

    /// <param name="fromSetup">What setup wrote to the environment file.</param>
    /// <param name="softDeadline">When the agent should stop by itself; null: it is not told.</param>
    public IReadOnlyList<string> ForAgent(IReadOnlyList<KeyValuePair<string, string>> fromSetup, DateTimeOffset? softDeadline) =>
        Render(Agent(fromSetup, softDeadline));

    /// <summary>For git after the agent: the agent's, less everything that looks like a secret.</summary>
    public IReadOnlyList<string> ForChanges(IReadOnlyList<KeyValuePair<string, string>> fromSetup)
    {
        var variables = Agent(fromSetup, softDeadline: null);
        foreach (var name in variables.Keys.Where(name => SecretNames.IsSecret(name) || IsSecretOfRequest(name) || IsOfGitOrLoader(name)).ToList())
        {
            variables.Remove(name);
        }

        // Setup may have put a directory of the workspace first, and the agent a git into it.
        var own = new SortedDictionary<string, string>(StringComparer.Ordinal);
        AddBase(own);
        AddConfigured(own, _options.Environment);
        variables["PATH"] = own["PATH"];
        variables["GIT_CONFIG_NOSYSTEM"] = "1";
        variables["GIT_CONFIG_GLOBAL"] = "/dev/null";
        variables["GIT_ATTR_NOSYSTEM"] = "1";
        variables["GIT_TERMINAL_PROMPT"] = "0";
        variables["GIT_OPTIONAL_LOCKS"] = "0";
        variables["LC_ALL"] = "C";
        return Render(variables);
    }

    /// <summary>Names that the environment file may not set: they are the product's own.</summary>
    public static bool IsProtected(string name) =>
        name.StartsWith("OZ_", StringComparison.Ordinal) || name.StartsWith("OZF_", StringComparison.Ordinal) || name == "GIT_CONFIG_GLOBAL";

    /// <summary>Resolves the request's secrets; refuses what the host's policy does not allow.</summary>
    public static IReadOnlyDictionary<string, string> Resolve(DirectOptions options, RunRequest request)
    {
        var secrets = new HostSecrets(options.Secrets);
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, variable) in request.Env ?? new Dictionary<string, RunVariable>())
        {
            if (options.Policy.Env is { } allowed && !allowed.Any(rule => rule.EndsWith('*') ? name.StartsWith(rule[..^1], StringComparison.Ordinal) : rule == name))
            {
                throw new RunRefusedException($"This host does not let a run set the variable {name}. Add it to policy.env of the host, or leave it out of env.");
            }

            variables[name] = variable.Secret is { } secret ? secrets.Get(secret) : variable.Value ?? "";
        }

        return variables;
    }

    private static bool IsOfGitOrLoader(string name) => name.StartsWith("GIT_", StringComparison.Ordinal) || name.StartsWith("LD_", StringComparison.Ordinal);

    private bool IsSecretOfRequest(string name) => _record.Request.Env?.TryGetValue(name, out var variable) == true && variable.Secret is not null;

    /// <summary>What the caller has, as it is; ours are three names that say which run this is and where it may leave files.</summary>
    private SortedDictionary<string, string> Unmanaged()
    {
        var variables = new SortedDictionary<string, string>(StringComparer.Ordinal);
        Overlay(variables, _options.HostEnvironment);
        variables["OZF_RUN_ID"] = _record.RunId.Value;
        variables["OZF_ATTEMPT"] = _record.Attempt.ToString(CultureInfo.InvariantCulture);
        variables["OZ_ARTIFACTS_DIR"] = _places.Artifacts;
        return variables;
    }

    private SortedDictionary<string, string> Agent(IReadOnlyList<KeyValuePair<string, string>> fromSetup, DateTimeOffset? softDeadline)
    {
        if (!_options.Managed)
        {
            return Unmanaged();
        }

        var variables = new SortedDictionary<string, string>(StringComparer.Ordinal);
        AddBase(variables);
        variables["GIT_TERMINAL_PROMPT"] = "0";
        variables["GH_PROMPT_DISABLED"] = "1";
        AddConfigured(variables, _options.Environment);
        AddConfigured(variables, _options.AgentEnvironment);
        Overlay(variables, _requested);
        AddHarness(variables);
        Overlay(variables, fromSetup.Where(pair => !IsProtected(pair.Key)));

        // The real CLI would take OZ_RUN_ID for a run id of Warp's.
        variables.Remove("OZ_RUN_ID");
        AddPrivate(variables);
        variables["OZF_RUN_ID"] = _record.RunId.Value;
        variables["OZF_ATTEMPT"] = _record.Attempt.ToString(CultureInfo.InvariantCulture);
        variables["OZ_ARTIFACTS_DIR"] = _places.Artifacts;
        variables["OZF_REQUEST_FILE"] = _places.RequestFile;
        if (softDeadline is { } deadline)
        {
            variables["WARP_SANDBOX_DEADLINE"] = deadline.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        }

        return variables;
    }

    /// <param name="standard">Wins over the host's, and nothing else.</param>
    private SortedDictionary<string, string> Hook(params IReadOnlyList<(string Name, string Value)> standard)
    {
        var variables = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (_options.InheritHookEnvironment)
        {
            Overlay(variables, _options.HostEnvironment.Where(pair => !SecretNames.IsSecret(pair.Key) && !_options.HostCredentials.Contains(pair.Key)));
        }

        AddBase(variables);
        Overlay(variables, standard.Select(pair => KeyValuePair.Create(pair.Name, pair.Value)));
        AddConfigured(variables, _options.Environment);
        Overlay(variables, _requested);
        AddHarness(variables);
        AddPrivate(variables);
        variables["OZ_WORKSPACE_ROOT"] = _workspace;
        variables["OZ_RUN_ID"] = _record.RunId.Value;
        variables["OZ_WORKER_BACKEND"] = "direct";
        return variables;
    }

    /// <summary>Last of all: these lie in the private directory whatever a layer says, are measured there and go with it.</summary>
    private void AddPrivate(SortedDictionary<string, string> variables)
    {
        variables["TMPDIR"] = _places.Temp;
        variables["GIT_CONFIG_GLOBAL"] = _places.GitConfig;
    }

    private void AddBase(SortedDictionary<string, string> variables)
    {
        variables["PATH"] = _options.HostEnvironment.GetValueOrDefault("PATH") is { Length: > 0 } path ? path : DefaultPath;
        variables["HOME"] = _options.User?.Home ?? (_options.HostEnvironment.GetValueOrDefault("HOME") is { Length: > 0 } home ? home : "/");
        if (_options.PrivateHome)
        {
            variables["HOME"] = _places.Home;
            variables["XDG_CONFIG_HOME"] = _places.Home + "/.config";
            variables["XDG_CACHE_HOME"] = _places.Home + "/.cache";
            variables["XDG_DATA_HOME"] = _places.Home + "/.local/share";
            variables["XDG_STATE_HOME"] = _places.Home + "/.local/state";
        }
    }

    /// <summary>Facts C2.6: two CLIs keep their state in a directory that a variable names.</summary>
    private void AddHarness(SortedDictionary<string, string> variables)
    {
        if (_harness is { } harness)
        {
            variables[harness.Variable] = $"{_workspace}/{harness.Directory}";
        }
    }

    private void AddConfigured(SortedDictionary<string, string> variables, IReadOnlyList<EnvironmentEntry> entries)
    {
        foreach (var entry in entries)
        {
            variables[entry.Name] = entry.Value ?? _options.HostEnvironment.GetValueOrDefault(entry.Name) ?? "";
        }
    }

    private static void Overlay(SortedDictionary<string, string> variables, IEnumerable<KeyValuePair<string, string>> layer)
    {
        foreach (var (name, value) in layer)
        {
            variables[name] = value;
        }
    }

    private static string[] Render(SortedDictionary<string, string> variables) => [.. variables.Select(pair => $"{pair.Key}={pair.Value}")];
}
