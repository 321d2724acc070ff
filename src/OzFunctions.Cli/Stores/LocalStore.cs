using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Events;
using OzFunctions.Files;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Stores;

/// <summary>The ports on plain files, put together.</summary>
internal static class LocalStore
{
    public static OpenStore Open(Settings settings, Surroundings surroundings, ILoggerFactory loggers)
    {
        var time = surroundings.Time;
        EventPublishers.Check(settings);
        var files = FilesStore.Open(new() { Directory = settings.DataDirectory }, time);
        try
        {
            var publishers = EventPublishers.Create(settings, surroundings, sink => sink is null ? new FilesEventQueue(files) : new FilesEventQueue(files, sink.Queue!, sink.Name, sink.Kinds));
            var core = ConfiguredStore.CreateCore(
                surroundings.Ports(new()
                {
                    StoreId = files.StoreId,
                    Blobs = new FilesBlobStore(files, RunMetadata.Describe),
                    Bell = new FilesBell(files),
                    HostLock = new FilesHostLock(files),
                    Publishers = publishers,
                    Time = time,
                    Probe = surroundings.Probe,
                }),
                settings,
                loggers);
            return new(core, new FilesRequestQueue(files, ConfiguredStore.RequestQueue))
            {
                Name = settings.DataDirectory,
                Repair = (_, token) => RepairAsync(core, files, token),
                Opened = files,
            };
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>What a power cut may have taken is made again, once after each start of the machine.</summary>
    private static async Task RepairAsync(OzCore core, FilesStore files, CancellationToken cancellationToken)
    {
        if (files.BootChanged)
        {
            await core.Repair.RepairAsync(cancellationToken);
            files.NoteBoot();
        }
    }
}
