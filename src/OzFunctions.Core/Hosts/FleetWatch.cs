using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Dispatch;
using OzFunctions.Protocol;

namespace OzFunctions.Hosts;

/// <summary>Says in the log how things stand for all workers together, in one line that alerts read (<c>infra/modules/alerts.bicep</c>).</summary>
public sealed partial class FleetWatch(OzPorts ports, HostRegistry hosts, ILogger<FleetWatch> logger)
{
    public async Task<FleetState> LookAsync(CancellationToken cancellationToken)
    {
        var (waiting, oldest) = (0, TimeSpan.Zero);
        var now = ports.Time.GetUtcNow().ToUnixTimeMilliseconds();
        await foreach (var blob in ports.Blobs.ListAllAsync(ReadyEntry.Prefix, cancellationToken))
        {
            if (ReadyEntry.TryParse(blob.Name, out var entry))
            {
                waiting++;
                var age = TimeSpan.FromMilliseconds(now - entry.RunId.Milliseconds);
                oldest = age > oldest ? age : oldest;
            }
        }

        var known = (await hosts.ListAsync(cancellationToken)).Where(host => host.IsWorkers).ToList();
        var state = new FleetState(waiting, oldest, known.Count(host => host is { Alive: true, Heartbeat.NotReady: null }), known.Count(host => !host.Alive));
        Stands(state.Waiting, (int)state.Oldest.TotalSeconds, state.ReadyHosts, state.DeadHosts);
        return state;
    }

    [LoggerMessage(LogLevel.Information, "Fleet: {Waiting} runs are ready, the oldest is {OldestSeconds} s old; {ReadyHosts} hosts are ready, {DeadHosts} are dead")]
    private partial void Stands(int waiting, int oldestSeconds, int readyHosts, int deadHosts);
}

/// <summary>How things stand.</summary>
/// <param name="Waiting">Runs that a host may take now.</param>
/// <param name="Oldest">Age of the oldest of them, since it was accepted.</param>
/// <param name="ReadyHosts">Hosts that live and take runs.</param>
/// <param name="DeadHosts">Hosts that went without a word, within a day.</param>
public sealed record FleetState(int Waiting, TimeSpan Oldest, int ReadyHosts, int DeadHosts);
