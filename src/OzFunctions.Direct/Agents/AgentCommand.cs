using System.Text;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Environments;
using OzFunctions.Requests;

namespace OzFunctions.Direct.Agents;

/// <summary>
/// The agent's arguments (facts A2): an array and never a shell, every value as <c>--name=value</c>, so that no value is taken for an option.
/// What may hold secrets goes by file.
/// </summary>
internal static class AgentCommand
{
    /// <summary>Writes the files that the arguments name and answers the whole argv.</summary>
    public static IReadOnlyList<string> Write(string agent, DirectOptions options, RunRequest request, AttemptPlaces places)
    {
        if (options.ForeignArguments is { } foreign)
        {
            return [agent, .. foreign, .. options.AgentArguments];
        }

        var arguments = new List<string> { agent, "agent", "run" };
        if (!options.OmitPrompt || request.SavedPrompt is not null)
        {
            AddPrompt(arguments, request, places);
        }

        AddValue(arguments, "skill", request.Skill);
        AddValue(arguments, "model", request.Model);
        AddValue(arguments, "name", request.Name);
        AddMcp(arguments, options, request, places);
        AddValue(arguments, "environment", request.Environment);
        AddValue(arguments, "conversation", request.Conversation);
        AddValue(arguments, "harness", request.Harness);
        if (request.ComputerUse is { } computerUse)
        {
            arguments.Add(computerUse ? "--computer-use" : "--no-computer-use");
        }

        if (options.Managed || request.IdleOnComplete is not null)
        {
            AddValue(arguments, "idle-on-complete", DurationText.Format(request.IdleOnComplete ?? options.IdleOnComplete));
        }

        AddValue(arguments, "profile", request.Profile);
        if (options.Managed)
        {
            // Without a profile the CLI's own denylist would fail headless runs (facts A6.1).
            if (request.Profile is null && options.Sandboxed)
            {
                arguments.Add("--sandboxed");
            }

            AddValue(arguments, "output-format", "json");
        }

        foreach (var share in request.Share ?? [])
        {
            arguments.Add(ShareTarget.TryParse(share, out var target) && (options.Managed || share is "" or "self") ? target.Argument : $"--share={share}");
        }

        arguments.AddRange(options.AgentArguments);
        return arguments;
    }

    private static void AddPrompt(List<string> arguments, RunRequest request, AttemptPlaces places)
    {
        if (request.SavedPrompt is { } saved)
        {
            AddValue(arguments, "saved-prompt", saved);
            if (request.BasePrompt is { } text)
            {
                // --prompt excludes --saved-prompt; the CLI's own configuration file is the one place left for a base prompt (facts A2.5).
                places.WriteForCommands(places.AgentFile, Encoding.UTF8.GetBytes(new System.Text.Json.Nodes.JsonObject { ["base_prompt"] = text }.ToJsonString()));
                AddValue(arguments, "file", places.AgentFile);
            }

            return;
        }

        // What the CLI itself would send (facts A2.6).
        var prompt = (request.BasePrompt, request.Prompt) switch
        {
            ({ } start, { } rest) => $"{start}\n\n{rest}",
            var (start, rest) => start ?? rest,
        };
        AddValue(arguments, "prompt", prompt);
    }

    /// <summary>Before anything is begun: secrets that the request's MCP servers name and this host does not have.</summary>
    /// <exception cref="RunRefusedException">There is one.</exception>
    public static void CheckMcp(DirectOptions options, RunRequest request)
    {
        var secrets = new HostSecrets(options.Secrets);
        foreach (var (index, server) in (request.Mcp ?? []).Index())
        {
            _ = ResolveMcp(secrets, server, index + 1);
        }
    }

    private static void AddMcp(List<string> arguments, DirectOptions options, RunRequest request, AttemptPlaces places)
    {
        var secrets = new HostSecrets(options.Secrets);
        var number = 0;
        foreach (var server in request.Mcp ?? [])
        {
            number++;
            var resolved = ResolveMcp(secrets, server, number);
            if (!IsInline(server))
            {
                AddValue(arguments, "mcp", resolved);
                continue;
            }

            places.WriteForCommands(places.McpFile(number), Encoding.UTF8.GetBytes(resolved));
            AddValue(arguments, "mcp", places.McpFile(number));
        }
    }

    private static bool IsInline(string server) => server.AsSpan().TrimStart().StartsWith("{");

    /// <summary>An id or a path stands in the process list: no place for a secret.</summary>
    private static string ResolveMcp(HostSecrets secrets, string server, int number) =>
        IsInline(server) ? secrets.ResolveInJson(server)
        : SecretReferences.Find(server).Count == 0 ? server
        : throw new RunRefusedException($"mcp[{number - 1}] names a secret outside of inline JSON; only there it is kept from the process list.");

    private static void AddValue(List<string> arguments, string name, string? value)
    {
        if (value is not null)
        {
            arguments.Add($"--{name}={value}");
        }
    }
}
