using Microsoft.Azure.Functions.Worker;

namespace OzFunctions.FunctionApp.Functions;

/// <summary>The periodic step of Core where no host is: schedules, lost hosts, expiry, outbox. Any number of others may tick beside it. Then a line for alerts.</summary>
internal sealed class Tick(OzCore core)
{
    [Function(nameof(Tick))]
    public async Task RunAsync([TimerTrigger("*/30 * * * * *", UseMonitor = false)] TimerInfo timer, CancellationToken cancellationToken)
    {
        await core.Tick.TickAsync(cancellationToken);
        await core.Fleet.LookAsync(cancellationToken);
    }
}
