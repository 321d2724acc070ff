using Microsoft.Azure.Functions.Worker;

namespace OzFunctions.FunctionApp.Functions;

/// <summary>The periodic step of Core where no host is: schedules, lost hosts, expiry, outbox. Any number of others may tick beside it.</summary>
internal sealed class Tick(OzCore core)
{
    [Function(nameof(Tick))]
    public Task RunAsync([TimerTrigger("*/30 * * * * *", UseMonitor = false)] TimerInfo timer, CancellationToken cancellationToken) => core.Tick.TickAsync(cancellationToken);
}
