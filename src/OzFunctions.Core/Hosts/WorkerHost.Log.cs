using Microsoft.Extensions.Logging;
using OzFunctions.Runs;

namespace OzFunctions.Hosts;

/// <summary>What a host tells of itself.</summary>
public sealed partial class WorkerHost
{
    [LoggerMessage(LogLevel.Information, "Host {HostId} serves worker {WorkerId} on {Machine}, slots: {Slots}")]
    private partial void Started(string hostId, string workerId, string machine, string slots);

    [LoggerMessage(LogLevel.Information, "Host {HostId} takes runs")]
    private partial void Ready(string hostId);

    [LoggerMessage(LogLevel.Warning, "This host takes no runs: {Reason}")]
    private partial void NotReadyNow(string reason);

    [LoggerMessage(LogLevel.Information, "Stopping: {Count} run(s) may finish within {Timeout}; a second signal stops them now")]
    private partial void Draining(int count, string timeout);

    [LoggerMessage(LogLevel.Warning, "Stopping {Count} run(s) now")]
    private partial void StoppingRuns(int count);

    [LoggerMessage(LogLevel.Information, "Host {HostId} left; agents go on and wait to be adopted")]
    private partial void Detached(string hostId);

    [LoggerMessage(LogLevel.Information, "Host {HostId} ended")]
    private partial void Left(string hostId);

    [LoggerMessage(LogLevel.Warning, "The {Loop} step failed and is repeated")]
    private partial void LoopFailed(string loop, Exception exception);

    [LoggerMessage(LogLevel.Information, "The {Loop} step works again after {Failures} failures")]
    private partial void LoopWorks(string loop, int failures);

    [LoggerMessage(LogLevel.Error, "Run {RunId} could not be carried on; its directory is looked at again")]
    private partial void AttemptFailed(RunId runId, Exception exception);
}
