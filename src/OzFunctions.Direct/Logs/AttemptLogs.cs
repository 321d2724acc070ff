using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Logs;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Logs;

/// <summary>Opens the log of an attempt, new or left by a host that is gone.</summary>
internal sealed class AttemptLogs(IBlobStore blobs, AttemptLogOptions options, TimeProvider time, ILogger<AttemptLogs> logger)
{
    /// <summary>Opens it; <paramref name="filters"/> makes one filter for each reader of the output, all alike.</summary>
    public IAttemptLog Open(RunId runId, int attempt, string privateDirectory, IAgentLineObserver observer, Func<IOutputFilter> filters) =>
        new AttemptLog(runId, privateDirectory, new LogBlob(blobs, RunLogs.NameOf(runId, attempt)), observer, options, filters, time, logger);
}
