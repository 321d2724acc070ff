using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Hosts;
using OzFunctions.Json;

namespace OzFunctions.Cli.Workers;

/// <summary><c>ozf workers …</c>: who serves which worker, and whether it takes runs.</summary>
internal static class WorkersCommand
{
    public static Command Create(Surroundings surroundings) => new Command("workers", "See, pause and resume workers").With(
        CreateList(surroundings), CreateSwitch(surroundings, "pause", paused: true), CreateSwitch(surroundings, "resume", paused: false));

    private static Command CreateList(Surroundings surroundings) =>
        new Command("list", "List workers and their hosts").Does(surroundings, async (context, cancellationToken) =>
        {
            await using var store = context.OpenStore();
            var hosts = await store.Core.Hosts.ListAsync(cancellationToken);
            var paused = await store.Core.Workers.GetPausedAsync(cancellationToken);
            if (context.Screen.Json)
            {
                WriteJson(context.Screen, hosts, paused);
            }
            else
            {
                Write(context, hosts, paused);
            }

            return ExitCodes.Success;
        });

    private static Command CreateSwitch(Surroundings surroundings, string name, bool paused)
    {
        var worker = new Argument<string>("worker") { Description = "The worker's id" };
        var description = paused ? "Let all hosts of a worker take no more runs" : "Let a paused worker take runs again";
        return new Command(name, description).With(worker).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var store = context.OpenStore();
            var id = context.Get(worker)!;
            var changed = await store.Core.Workers.SetPausedAsync(id, paused, cancellationToken);
            if (context.Screen.Json)
            {
                context.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteString("worker_id", id);
                    json.WriteBoolean("paused", paused);
                    json.WriteBoolean("changed", changed);
                    json.WriteEndObject();
                });
            }
            else
            {
                context.Screen.Line($"Worker '{id}' is {(paused ? "paused" : "not paused")}{(changed ? "" : " already")}.");
            }

            return ExitCodes.Success;
        });
    }

    private static void Write(CommandContext context, IReadOnlyList<KnownHost> hosts, IReadOnlyList<string> paused)
    {
        var table = new Table("WORKER", "STATE", "RUNS", "SEEN", "HOST", "NOTE");
        foreach (var host in hosts.OrderBy(host => host.Heartbeat.WorkerId, StringComparer.Ordinal).ThenBy(host => host.Age))
        {
            var beat = host.Heartbeat;
            var (state, style) = host switch
            {
                { Alive: false } => ("dead", Style.Bad),
                _ when paused.Contains(beat.WorkerId) => ("paused", Style.Warning),
                { Heartbeat.NotReady: not null } => ("not ready", Style.Warning),
                _ => ("ready", Style.Good),
            };
            var slots = beat.Slots == 0 ? "∞" : beat.Slots.ToString(System.Globalization.CultureInfo.InvariantCulture);
            table.Add(beat.WorkerId, new(state, style), $"{beat.Running.Count}/{slots}", PlainText.Relative(context.Now - host.Age, context.Now), $"{beat.Machine}", PlainText.OneLine(beat.NotReady ?? ""));
        }

        foreach (var worker in paused.Where(worker => hosts.All(host => host.Heartbeat.WorkerId != worker)))
        {
            table.Add(worker, new("paused", Style.Warning), "", "", "", "no host");
        }

        if (table.IsEmpty)
        {
            context.Screen.Note("No hosts. Start one: ozf worker --worker-id NAME");
            return;
        }

        table.Write(context.Screen);
    }

    private static void WriteJson(Screen screen, IReadOnlyList<KnownHost> hosts, IReadOnlyList<string> paused) => screen.WriteJson(json =>
    {
        json.WriteStartObject();
        json.WriteStartArray("workers");
        foreach (var worker in hosts.Select(host => host.Heartbeat.WorkerId).Concat(paused).Distinct().Order(StringComparer.Ordinal))
        {
            json.WriteStartObject();
            json.WriteString("worker_id", worker);
            json.WriteBoolean("paused", paused.Contains(worker));
            json.WriteStartArray("hosts");
            foreach (var host in hosts.Where(host => host.Heartbeat.WorkerId == worker))
            {
                Write(json, host);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    });

    private static void Write(System.Text.Json.Utf8JsonWriter json, KnownHost host)
    {
        var beat = host.Heartbeat;
        json.WriteStartObject();
        json.WriteString("host_id", beat.HostId);
        json.WriteString("machine", beat.Machine);
        json.WriteString("version", beat.Version);
        json.WriteBoolean("alive", host.Alive);
        json.WriteNumber("slots", beat.Slots);
        json.WriteStartArray("running");
        foreach (var run in beat.Running)
        {
            json.WriteStringValue(run.Value);
        }

        json.WriteEndArray();
        json.WriteString("started_at", TimeText.Format(beat.StartedAt));
        json.WriteNumber("heartbeat_age", Math.Round(host.Age.TotalSeconds, 3));
        json.WriteNumber("lease", beat.Lease.TotalSeconds);
        if (beat.NotReady is { } notReady)
        {
            json.WriteString("not_ready", notReady);
        }

        json.WriteEndObject();
    }
}
