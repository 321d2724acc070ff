using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using OzFunctions.Artifacts;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Following;
using OzFunctions.Cli.Logging;
using OzFunctions.Cli.Runs;
using OzFunctions.Cli.Screens;
using OzFunctions.Cli.Stores;
using OzFunctions.Cli.Workers;
using OzFunctions.Hosts;
using OzFunctions.Local;
using OzFunctions.Logs;
using OzFunctions.Queues;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Demo;

/// <summary>One showing: a queue message becomes a run, an agent works on it, and what remains is looked at; then a webhook and the clock start one each.</summary>
internal sealed class DemoShow(CommandContext context, string place, bool realOz, StorageSetting? storage)
{
    private const string Worker = "demo";
    private const int PatchLines = 24;
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan PublishedWithin = TimeSpan.FromSeconds(15);

    private readonly Screen _screen = context.Screen;

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        ProcessDumpable.Disable();
        var repository = Path.Combine(place, "repository");
        await DemoRepository.MakeAsync(repository, context.Surroundings, cancellationToken);
        var settings = DemoSettings.Create(place, repository, realOz, () => context.Settings, context.Surroundings) with { Storage = storage };
        var setup = WorkerSetup.Create(settings, new() { ConsumeRequests = true, DrainTimeout = TimeSpan.FromSeconds(10) }, context.Surroundings.Environment);
        LocalHost.Check(setup.Direct);

        using var loggers = new LineLoggers(context.Surroundings, LogLevel.Warning, LogFormat.Text, settings.Mask);
        await using var store = ConfiguredStore.Open(settings, context.Surroundings, loggers);
        var host = await LocalHost.CreateAsync(store, setup, settings.Configuration.Limits.LogBytes, loggers, context.Time, cancellationToken);
        var hosting = host.RunAsync(CancellationToken.None);
        try
        {
            return await ShowAsync(store, new(context, settings, store), cancellationToken);
        }
        finally
        {
            await StopAsync(host, hosting, now: cancellationToken.IsCancellationRequested);
        }
    }

    private static async Task StopAsync(WorkerHost host, Task hosting, bool now)
    {
        host.Drain();
        if (now)
        {
            host.Drain();
        }

        await hosting;
    }

    private async Task<int> ShowAsync(OpenStore store, DemoTriggers triggers, CancellationToken cancellationToken)
    {
        Head("A run request, as any producer would put it on the queue oz-requests");
        var request = DemoSettings.Request;
        _screen.WriteStored(Encoding.UTF8.GetBytes(request));
        var messageId = await store.Requests.SendRequestAsync(Encoding.UTF8.GetBytes(request), cancellationToken);

        var run = await AwaitRunAsync(store, cancellationToken);
        Head($"Its run, and the log of the agent as it comes{(realOz ? "" : " (a stand-in: no key, no network)")}");
        _screen.Line(_screen.Paint($"message {messageId}", Style.Quiet));
        _screen.Line(_screen.Paint($"run     {run.RunId}", Style.Quiet));
        var log = new RunLogs(store.Core.Ports.Blobs, context.Time).ReadRawAsync(RunLogQuery.Of(store.Core.Records, run.RunId, follow: true), cancellationToken);
        await new LogPrinter(_screen.Out).PrintTextAsync(log, _screen.HasColours, attemptBegins: null);

        run = await AwaitPublishedAsync(store, run.RunId, cancellationToken);
        Head("The record");
        RunPageText.Write(_screen, run, context.Now);
        await ShowArtifactsAsync(store, run, cancellationToken);
        if (run.Event is { } stored)
        {
            Head("The completion event, on the queue oz-events");
            ShowEvent(stored);
        }

        // Each would be one more task of the real CLI, which costs.
        if (run.State == RunState.Succeeded && !realOz)
        {
            run = await ShowTriggersAsync(store, triggers, run, cancellationToken);
        }

        _screen.Line();
        _screen.Line(run.State == RunState.Succeeded
            ? _screen.Paint("That is the whole job.", Style.Good) + " Next: ozf up --help, ozf worker --help, ozf run --help, ozf doctor"
            : _screen.Paint($"The demo's run {run.RunId} ended {run.State.Text()}: {run.Message}", Style.Bad));
        return run.State == RunState.Succeeded ? ExitCodes.Success : RunExit.CodeOf(run) is not 0 and var code ? code : ExitCodes.Failed;
    }

    /// <summary>Answers the last run, or the first that did not succeed.</summary>
    private async Task<RunRecord> ShowTriggersAsync(OpenStore store, DemoTriggers triggers, RunRecord queued, CancellationToken cancellationToken)
    {
        Head("A webhook: a delivery signed as Standard Webhooks says, to the demo's own front door");
        var delivered = await triggers.DeliverAsync(cancellationToken);
        Head("A schedule that is due");
        var scheduled = await triggers.StartWhatIsDueAsync(cancellationToken);
        List<RunRecord> runs = [queued, await AwaitEndAsync(store, delivered, cancellationToken), await AwaitEndAsync(store, scheduled, cancellationToken)];

        Head("Three ways, one kind of run");
        var table = new Table("RUN", "STATE", "TRIGGER", "TITLE");
        foreach (var run in runs)
        {
            table.Add(run.RunId.Value, new(run.State.Text(), PlainText.Style(run.State)), $"{run.Trigger.Kind.ToString().ToLowerInvariant()} {run.Trigger.Name}", run.Request.Title ?? "");
        }

        table.Write(_screen);
        return runs.FirstOrDefault(run => run.State != RunState.Succeeded) ?? runs[^1];
    }

    private async Task<RunRecord> AwaitEndAsync(OpenStore store, RunId runId, CancellationToken cancellationToken)
    {
        await foreach (var _ in new RunLogs(store.Core.Ports.Blobs, context.Time).ReadRawAsync(RunLogQuery.Of(store.Core.Records, runId, follow: true), cancellationToken))
        {
        }

        return await AwaitPublishedAsync(store, runId, cancellationToken);
    }

    private async Task<RunRecord> AwaitRunAsync(OpenStore store, CancellationToken cancellationToken)
    {
        while (true)
        {
            var page = await store.Core.Records.ListAsync(null, 1, unreadable: null, cancellationToken);
            if (page.Runs is [var first] && await store.Core.Records.FindAsync(first.RunId, cancellationToken) is { Record: var record })
            {
                return record;
            }

            await Task.Delay(Look, context.Time, cancellationToken);
        }
    }

    /// <summary>Published is when nothing is owed any more (protocol S11).</summary>
    private async Task<RunRecord> AwaitPublishedAsync(OpenStore store, RunId runId, CancellationToken cancellationToken)
    {
        var began = context.Time.GetTimestamp();
        while (await store.Core.Ports.Blobs.FindEntryAsync(RunBlobs.Active(runId), cancellationToken) is not null && context.Time.GetElapsedTime(began) < PublishedWithin)
        {
            await Task.Delay(Look, context.Time, cancellationToken);
        }

        return (await store.Core.Records.FindAsync(runId, cancellationToken))!.Record;
    }

    private async Task ShowArtifactsAsync(OpenStore store, RunRecord run, CancellationToken cancellationToken)
    {
        var manifest = await ArtifactManifests.ReadAsync(store.Core.Ports.Blobs, run.RunId, run.Attempt, cancellationToken);
        if (manifest.Artifacts.Count == 0)
        {
            return;
        }

        Head("What was kept after the workspace was removed");
        RunsArtifactsCommand.Write(_screen, manifest);
        if (manifest.Artifacts.FirstOrDefault(artifact => artifact.Path.EndsWith(".patch", StringComparison.Ordinal) && artifact.LeftOut is null) is { } patch)
        {
            await ShowPatchAsync(store, run, patch, cancellationToken);
        }
    }

    private async Task ShowPatchAsync(OpenStore store, RunRecord run, ArtifactEntry patch, CancellationToken cancellationToken)
    {
        Head($"{patch.Path}, what the agent changed");
        await using var content = await store.Core.Ports.Blobs.OpenReadAsync(RunBlobs.Artifact(run.RunId, run.Attempt, patch.Path), 0, null, cancellationToken);
        using var reader = new StreamReader(content ?? Stream.Null);
        for (var line = 0; await reader.ReadLineAsync(cancellationToken) is { } text; line++)
        {
            if (line == PatchLines)
            {
                _screen.Line(_screen.Paint("…", Style.Quiet));
                break;
            }

            var style = text switch
            {
                ['+', '+', '+', ..] or ['-', '-', '-', ..] => Style.Strong,
                ['+', ..] => Style.Good,
                ['-', ..] => Style.Bad,
                ['@', '@', ..] => Style.Accent,
                _ => Style.Plain,
            };
            _screen.Line(_screen.Paint(TextWidth.Cut(PlainText.OneLine(text), _screen.Width), style));
        }
    }

    private void ShowEvent(JsonElement stored)
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new() { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            stored.WriteTo(json);
        }

        foreach (var line in Encoding.UTF8.GetString(buffer.WrittenSpan).Split('\n'))
        {
            _screen.Line(TextWidth.Cut(line, _screen.Width));
        }
    }

    private void Head(string text)
    {
        _screen.Line();
        _screen.Line(_screen.Paint(text, Style.Strong));
        _screen.Line(_screen.Paint(new string('─', Math.Min(TextWidth.Of(text), _screen.Width)), Style.Quiet));
    }
}
