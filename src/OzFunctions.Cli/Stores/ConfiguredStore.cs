using Microsoft.Extensions.Logging;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Configuration;
using OzFunctions.Protocol;

namespace OzFunctions.Cli.Stores;

/// <summary>Opens the store that the settings name.</summary>
internal static class ConfiguredStore
{
    /// <summary>The queue that foreign producers send run requests to.</summary>
    public const string RequestQueue = "oz-requests";

    public static OpenStore Open(Settings settings, Surroundings surroundings, ILoggerFactory loggers)
    {
        if (settings.Storage is { } storage)
        {
            return AzureStore.Open(settings, storage, surroundings, loggers);
        }

        // A store that was asked for and cannot be named must not become another one.
        return settings.Configuration.Storage is null
            ? LocalStore.Open(settings, surroundings, loggers)
            : throw CommandException.Usage([.. settings.Secrets.Faults.Where(fault => fault.Key == "storage").Select(fault => fault.ToString())]);
    }

    /// <summary>Core over a store's ports, set as the configuration says.</summary>
    public static OzCore CreateCore(OzPorts ports, Settings settings, ILoggerFactory loggers) =>
        new(ports, CoreSetup.Create(settings.Configuration) with { WorkerId = settings.WorkerId }, loggers);
}
