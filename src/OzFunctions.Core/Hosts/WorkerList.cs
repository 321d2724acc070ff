using System.Text.Json;
using OzFunctions.Json;
using OzFunctions.Runs;

namespace OzFunctions.Hosts;

/// <summary>Every worker with its hosts, as commands and the API show them.</summary>
public sealed record WorkerList(IReadOnlyList<KnownHost> Hosts, IReadOnlyList<string> Paused)
{
    public static async Task<WorkerList> ReadAsync(OzCore core, CancellationToken cancellationToken) =>
        new([.. (await core.Hosts.ListAsync(cancellationToken)).Where(host => host.IsWorkers)], await core.Workers.GetPausedAsync(cancellationToken));

    /// <summary>From the JSON that <see cref="Write(Utf8JsonWriter)"/> makes.</summary>
    public static WorkerList Read(JsonElement json)
    {
        var (hosts, paused) = (new List<KnownHost>(), new List<string>());
        foreach (var worker in json.GetProperty("workers").EnumerateArray())
        {
            var workerId = worker.GetProperty("worker_id").GetString()!;
            if (worker.GetProperty("paused").GetBoolean())
            {
                paused.Add(workerId);
            }

            hosts.AddRange(worker.GetProperty("hosts").EnumerateArray().Select(host => ReadHost(workerId, host)));
        }

        return new(hosts, paused);
    }

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteStartArray("workers");
        foreach (var worker in Hosts.Select(host => host.Heartbeat.WorkerId).Concat(Paused).Distinct().Order(StringComparer.Ordinal))
        {
            json.WriteStartObject();
            json.WriteString("worker_id", worker);
            json.WriteBoolean("paused", Paused.Contains(worker));
            json.WriteStartArray("hosts");
            foreach (var host in Hosts.Where(host => host.Heartbeat.WorkerId == worker))
            {
                Write(json, host);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, KnownHost host)
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

    private static KnownHost ReadHost(string workerId, JsonElement host) => new(
        new()
        {
            HostId = host.GetProperty("host_id").GetString()!,
            WorkerId = workerId,
            Machine = host.GetProperty("machine").GetString()!,
            Version = host.GetProperty("version").GetString()!,
            Slots = host.GetProperty("slots").GetInt32(),
            Running = [.. host.GetProperty("running").EnumerateArray().Select(run => RunId.Parse(run.GetString()!))],
            StartedAt = TimeText.TryParse(host.GetProperty("started_at").GetString(), out var started) ? started : default,
            Lease = TimeSpan.FromSeconds(host.GetProperty("lease").GetDouble()),
            NotReady = host.TryGetProperty("not_ready", out var notReady) ? notReady.GetString() : null,
            Beat = 0,
        },
        TimeSpan.FromSeconds(host.GetProperty("heartbeat_age").GetDouble()),
        host.GetProperty("alive").GetBoolean(),
        default);
}
