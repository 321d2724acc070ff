using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Hosts;

namespace OzFunctions.Cli.Workers;

/// <summary><c>ozf workers …</c>: who serves which worker, and whether it takes runs.</summary>
internal static class WorkersCommand
{
    public static Command Create(Surroundings surroundings) => new Command("workers", "See, pause and resume workers").With(
        CreateList(surroundings), CreateSwitch(surroundings, "pause", paused: true), CreateSwitch(surroundings, "resume", paused: false));

    private static Command CreateList(Surroundings surroundings) =>
        new Command("list", "List workers and their hosts").Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenDesk();
            var list = await desk.ListWorkersAsync(cancellationToken);
            if (context.Screen.Json)
            {
                context.Screen.WriteJson(list.Write);
            }
            else
            {
                Write(context, list.Hosts, list.Paused);
            }

            return ExitCodes.Success;
        });

    private static Command CreateSwitch(Surroundings surroundings, string name, bool paused)
    {
        var worker = new Argument<string>("worker") { Description = "The worker's id" };
        var description = paused ? "Let all hosts of a worker take no more runs" : "Let a paused worker take runs again";
        return new Command(name, description).With(worker).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenDesk();
            var id = context.Get(worker)!;
            var changed = await desk.SetPausedAsync(id, paused, cancellationToken);
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
            context.Screen.Note($"No hosts. Start one: {context.Ozf("worker --worker-id NAME")}");
            return;
        }

        table.Write(context.Screen);
    }
}
