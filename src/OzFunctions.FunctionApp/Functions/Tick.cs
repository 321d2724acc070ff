using Microsoft.Azure.Functions.Worker;
using OzFunctions.Queues;

namespace OzFunctions.FunctionApp.Functions;

/// <summary>The periodic step of Core where no host is: schedules, lost hosts, expiry, outbox. Any number of others may tick beside it. Then a line for alerts.</summary>
/// <remarks>Last what lies in <c>oz-requests-poison</c>: after 100 tries the runtime calls <see cref="PoisonedRequests"/> for a message there no more, and its copy ends after seven days.</remarks>
internal sealed class Tick(OzCore core, RequestConsumer requests)
{
    [Function(nameof(Tick))]
    public async Task RunAsync([TimerTrigger("*/30 * * * * *", UseMonitor = false)] TimerInfo timer, CancellationToken cancellationToken)
    {
        await core.Tick.TickAsync(core.Watch, cancellationToken);
        await core.Fleet.LookAsync(cancellationToken);
        await requests.BuryGivenUpAsync(cancellationToken);
    }
}
