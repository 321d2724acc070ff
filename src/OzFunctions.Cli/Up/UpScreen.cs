using System.Globalization;
using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Keys;
using OzFunctions.Cli.Machine;
using OzFunctions.Cli.Screens;
using OzFunctions.Cli.Stores;
using OzFunctions.Cli.Workers;
using OzFunctions.Direct.Agents;

namespace OzFunctions.Cli.Up;

/// <summary>One screen that says where everything is, once the door is open.</summary>
internal static partial class UpScreen
{
    public static async Task ShowAsync(
        CommandContext context, Settings settings, WorkerSetup setup, OpenStore store, Uri address, ILogger logger, CancellationToken cancellationToken)
    {
        var url = address.ToString().TrimEnd('/');
        var keyFile = KeyFile.PathIn(settings.DataDirectory);
        var agent = AgentLookup.Find(setup.Direct);
        if (context.Screen.Json)
        {
            context.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("url", url);
                json.WriteString("key_file", keyFile);
                json.WriteString("data", settings.DataDirectory);
                if (store.IsRemote)
                {
                    json.WriteString("storage", store.Name);
                }

                json.WriteString("workspaces", setup.Direct.TargetDir ?? setup.Direct.WorkspaceRoot);
                json.WriteString("worker_id", setup.Worker.WorkerId);
                json.WriteNumber("max_concurrent_tasks", setup.Worker.Slots);
                if (agent.Path is { } path)
                {
                    json.WriteString("agent", path);
                }

                json.WriteEndObject();
            });
        }
        else
        {
            Show(context, settings, setup, store, url, keyFile, agent.Path);
        }

        await context.Screen.Out.FlushAsync(cancellationToken);
        await WarnAsync(context, setup, store.Core, agent.Fault, logger, cancellationToken);
        WorkerCommand.Warn(setup, logger);
    }

    private static void Show(CommandContext context, Settings settings, WorkerSetup setup, OpenStore store, string url, string keyFile, string? agent)
    {
        var screen = context.Screen;
        var direct = setup.Direct;
        var slots = setup.Worker.Slots == 0 ? "any number of runs" : string.Create(CultureInfo.InvariantCulture, $"{PlainText.Count(setup.Worker.Slots, "run")}");
        screen.Line(screen.Paint($"ozf {VersionCommand.Version} is up", Style.Strong));
        screen.Line();
        Row("URL", screen.Paint(url, Style.Accent));
        Row("key", keyFile);
        if (store.IsRemote)
        {
            Row("storage", store.Name);
        }

        Row("data", settings.DataDirectory);
        Row(direct.TargetDir is null ? "workspaces" : "target", (direct.TargetDir ?? direct.WorkspaceRoot) + (direct.Cleanup ? "" : " (kept)"));
        Row("worker", $"'{setup.Worker.WorkerId}' on {setup.Worker.Machine}, {slots} at a time, also from the queue oz-requests");
        if (settings.Configuration.Webhooks.Where(webhook => webhook.Enabled).Select(webhook => webhook.Name).ToList() is { Count: > 0 } webhooks)
        {
            Row("webhooks", $"{settings.Configuration.PublicUrl ?? url}/api/v1/webhooks/… {string.Join(", ", webhooks)}");
        }

        Row("agent", agent ?? "none: runs wait until there is one");
        Row("stop", setup.Behaviour.Detach
            ? "Ctrl-C; agents live on for the next host"
            : $"Ctrl-C; runs may finish within {Requests.DurationText.Format(setup.Behaviour.DrainTimeout)}, a second Ctrl-C stops them now");
        screen.Line();
        screen.Line("The first run:");
        screen.Line($"  curl -H \"Authorization: Bearer $(cat {ShellWord.Quote(keyFile)})\" -H 'Content-Type: application/json' \\");
        screen.Line($"       -d '{{\"prompt\":\"Say hello\"}}' {url}/api/v1/agent/runs");
        screen.Line($"  {context.Ozf("runs list")}{(context.Has(GlobalOptions.Data) ? "" : $" --data {ShellWord.Quote(settings.DataDirectory)}")}");

        void Row(string label, string value) => screen.Line($"  {label,-10}  {value}");
    }

    private static async Task WarnAsync(CommandContext context, WorkerSetup setup, OzCore core, string? agentFault, ILogger logger, CancellationToken cancellationToken)
    {
        if (agentFault is not null)
        {
            NoAgent(logger, agentFault);
        }

        var others = (await core.Hosts.ListAsync(cancellationToken)).Where(host => host is { Alive: true, IsWorkers: true } && host.Heartbeat.Machine == setup.Worker.Machine).ToList();
        if (others.Count > 0)
        {
            var text = $"Another host works on this data already ({PlainText.Count(others.Count, "host")} of worker {string.Join(", ", others.Select(host => $"'{host.Heartbeat.WorkerId}'").Distinct())}); this one is one more, and runs are shared.";
            if (context.Screen.Json)
            {
                Shared(logger, text);
            }
            else
            {
                context.Screen.Line();
                context.Screen.Line(text);
                await context.Screen.Out.FlushAsync(cancellationToken);
            }
        }
    }

    [LoggerMessage(LogLevel.Warning, "No agent yet: {Fault} Requests are accepted and wait")]
    private static partial void NoAgent(ILogger logger, string fault);

    [LoggerMessage(LogLevel.Information, "{Text}")]
    private static partial void Shared(ILogger logger, string text);
}
