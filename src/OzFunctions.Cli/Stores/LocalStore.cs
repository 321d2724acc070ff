using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Events;
using OzFunctions.Files;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Stores;

/// <summary>The ports on plain files, put together.</summary>
internal static class LocalStore
{
    /// <summary>The queue that foreign producers send run requests to.</summary>
    public const string RequestQueue = "oz-requests";

    public static OpenStore Open(Settings settings, Surroundings surroundings, ILoggerFactory loggers)
    {
        var time = surroundings.Time;
        var configuration = settings.Configuration;
        EventPublishers.Check(settings);
        var files = FilesStore.Open(new() { Directory = settings.DataDirectory }, time);
        try
        {
            var publishers = EventPublishers.Create(settings, surroundings, sink => sink is null ? new FilesEventQueue(files) : new FilesEventQueue(files, sink.Queue!, sink.Name, sink.Kinds));
            var core = new OzCore(
                new()
                {
                    StoreId = files.StoreId,
                    Blobs = new FilesBlobStore(files, RunMetadata.Describe),
                    Bell = new FilesBell(files),
                    HostLock = new FilesHostLock(files),
                    Publishers = publishers,
                    Time = time,
                    Probe = surroundings.Probe,
                },
                new()
                {
                    PublicUrl = configuration.PublicUrl is { } url ? new(url) : null,
                    Intake = new() { DefaultWorkerId = settings.WorkerId, MaxQueued = configuration.Limits.MaxQueued },
                    Tick = new() { Lease = configuration.Lease, QueueTtl = configuration.Limits.QueueTtl },
                },
                loggers);
            return new(core, new FilesRequestQueue(files, RequestQueue), files);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }
}
