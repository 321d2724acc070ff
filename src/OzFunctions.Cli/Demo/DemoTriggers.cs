using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Cli.Stores;
using OzFunctions.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Schedules;

namespace OzFunctions.Cli.Demo;

/// <summary>The other two ways to a run: a signed delivery over HTTP, and the clock.</summary>
internal sealed class DemoTriggers(CommandContext context, Settings settings, OpenStore store)
{
    private const string Schedule = "every-minute";
    private const string Delivery = """{"type":"note.wanted","text":"Say that a webhook asked."}""";
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan DecidedWithin = TimeSpan.FromSeconds(15);

    private readonly Screen _screen = context.Screen;

    /// <summary>Answers the run that the delivery started.</summary>
    public async Task<RunId> DeliverAsync(CancellationToken cancellationToken)
    {
        await using var door = await DemoDoor.OpenAsync(store, Request("A webhook asks", "Do what the delivery asks for: {{text}}"), cancellationToken);
        var headers = door.Sign("msg_" + Guid.NewGuid().ToString("N")[..12], context.Now, Delivery);
        _screen.Line($"POST {door.Address}");
        foreach (var (name, value) in headers)
        {
            _screen.Line(TextWidth.Cut($"{name}: {value}", _screen.Width));
        }

        _screen.Line(Delivery);
        var first = await ShowAsync(door, "Its answer:", Delivery, headers, cancellationToken);
        var again = await ShowAsync(door, "The same again, as a sender does that heard no answer: the first run, nothing new", Delivery, headers, cancellationToken);
        await ShowAsync(door, "With another text under the same signature: nothing at all", Delivery.Replace("webhook", "stranger", StringComparison.Ordinal), headers, cancellationToken);
        var run = RunOf(first);
        return run == RunOf(again) ? run : throw CommandException.Unavailable("the repeat of a delivery started a run of its own.");
    }

    /// <summary>Answers the run that the clock started.</summary>
    public async Task<RunId> StartWhatIsDueAsync(CancellationToken cancellationToken)
    {
        // Made a second before the last whole minute: it is due now, and nobody need wait for the next one.
        var now = context.Now;
        var ago = TimeSpan.FromTicks(now.Ticks % TimeSpan.TicksPerMinute) + TimeSpan.FromSeconds(1);
        var past = new ScheduleStore(store.Core.Ports with { Time = new Earlier(context.Time, ago) }, store.Core.Intake, [], NullLogger<ScheduleStore>.Instance);
        var made = await past.CreateAsync(Schedule, new() { Cron = "* * * * *", Request = Request("The clock asks", "Say that the clock asked.") }, paused: false, by: null, cancellationToken);
        _screen.Line($"name {made.Name}, cron '{made.Definition.Cron}' ({made.Definition.TimeZone}), made {TimeText.Format(made.CreatedAt)}");

        // The demo's host ticks by itself, at its own pace. Two that tick start one run, and the other one may be just at it.
        var ticker = ConfiguredStore.CreateCore(store.Core.Ports, settings, NullLoggerFactory.Instance).Tick;
        var began = context.Time.GetTimestamp();
        ScheduleRecord due;
        while (true)
        {
            await ticker.TickAsync(cancellationToken);
            due = await store.Core.Schedules.GetAsync(Schedule, cancellationToken);
            if (due.LastRun is not null || due.LastError is not null || context.Time.GetElapsedTime(began) > DecidedWithin)
            {
                break;
            }

            await Task.Delay(Look, context.Time, cancellationToken);
        }

        await store.Core.Schedules.DeleteAsync(Schedule, cancellationToken);
        if (due.LastRun is not { Instant: { } instant } last)
        {
            throw CommandException.Unavailable($"the schedule started nothing: {due.LastError?.Message ?? "it was not due"}.");
        }

        _screen.Line($"due  {TimeText.Format(instant)}: the tick started run {last.RunId}");
        return last.RunId;
    }

    private async Task<byte[]> ShowAsync(DemoDoor door, string what, string body, IReadOnlyList<(string Name, string Value)> headers, CancellationToken cancellationToken)
    {
        var (status, answer) = await door.PostAsync(body, headers, cancellationToken);
        _screen.Line();
        _screen.Line(_screen.Paint(what, Style.Quiet));

        // Not cut: what tells the answers apart stands towards their ends.
        _screen.Line($"{status} {PlainText.OneLine(Encoding.UTF8.GetString(answer))}");
        return answer;
    }

    private static RunId RunOf(byte[] answer)
    {
        using var json = JsonDocument.Parse(answer);
        return json.RootElement.TryGetProperty("run_id", out var run)
            ? RunId.Parse(run.GetString()!)
            : throw CommandException.Unavailable($"the webhook refused the demo's delivery: {Encoding.UTF8.GetString(answer)}");
    }

    /// <summary>Without the pauses that make the first run's log readable.</summary>
    private RunRequest Request(string title, string prompt) => new()
    {
        Title = title,
        Prompt = prompt,
        WorkerId = settings.Configuration.WorkerId,
        Timeout = TimeSpan.FromMinutes(5),
        Env = new Dictionary<string, RunVariable> { ["DEMO_STEP_SECONDS"] = RunVariable.Plain("0") },
    };

    private sealed class Earlier(TimeProvider time, TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => time.GetUtcNow() - by;
    }
}
