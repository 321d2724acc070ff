using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Stores;
using OzFunctions.Configuration;
using OzFunctions.Events;

namespace OzFunctions.Cli.Events;

/// <summary>Makes <c>events[]</c> into publishers. Nothing configured: the queue <c>oz-events</c>, which gets every kind.</summary>
internal static class EventPublishers
{
    private static readonly TimeSpan CommandTimeout = TimeSpan.FromMinutes(1);

    /// <summary>Throws, before anything is opened, when a publisher cannot be what its entry says.</summary>
    public static void Check(Settings settings)
    {
        var faults = new List<string>();
        foreach (var sink in settings.Configuration.Events)
        {
            if (sink.Topic is not null && settings.Storage is null)
            {
                faults.Add($"events.{sink.Name}.topic: the function app sends to Azure Service Bus, and it shares Azure Storage with its hosts; with plain files use queue, url or command.");
            }

            if (sink is { Queue: not null, Connection: { } connection } && settings.Secrets.Find(connection) is { } account && AzureStore.FindQueueFault(account) is { } fault)
            {
                faults.Add($"{sink.ConnectionKey}: {connection}: {fault}");
            }
        }

        faults.AddRange(EventSetup.FindSecretFaults(settings.Configuration.Events, settings.Secrets));

        if (faults.Count > 0)
        {
            throw CommandException.Usage([.. faults]);
        }
    }

    /// <param name="queue">A queue of the store; null: the default one.</param>
    public static IReadOnlyList<IEventPublisher> Create(Settings settings, Surroundings surroundings, Func<EventConfiguration?, IEventPublisher> queue) =>
        settings.Configuration.Events.Count == 0
            ? [queue(null)]
            : [.. settings.Configuration.Events.Select(sink => sink is { Queue: not null, Connection: null } ? queue(sink)
                : sink.Topic is not null ? new ElsewherePublisher(sink.Name, sink.Kinds, "The function app sends to Azure Service Bus: it does so with its next tick.")
                : CreateForeign(sink, settings, surroundings))];

    private static IEventPublisher CreateForeign(EventConfiguration sink, Settings settings, Surroundings surroundings)
    {
        if (EventSetup.FindMissing(sink, settings.Secrets) is { } missing)
        {
            // A command that ends a run must know whom to owe its event; sending is for hosts, which do not start without their secrets.
            return new UnreadyPublisher(sink.Name, sink.Kinds, $"Not sent: {missing} has no value here.");
        }

        return sink.Connection is { } connection ? AzureStore.OpenEventQueue(sink, settings.Secrets.Get(connection), surroundings.Time)
            : sink.Url is not null ? new HttpEventPublisher(EventSetup.HttpOptions(sink, settings.Secrets), surroundings.Time)
            : new CommandPublisher(sink.Name, sink.Command!, sink.Kinds, EnvironmentOf(sink, settings, surroundings), surroundings.Directory, sink.Timeout ?? CommandTimeout, settings.Mask, surroundings.Time);
    }

    /// <summary>As little as a shell script needs, and what the entry lists.</summary>
    private static Dictionary<string, string> EnvironmentOf(EventConfiguration sink, Settings settings, Surroundings surroundings)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in new[] { "PATH", "HOME", "TMPDIR", "LANG", "TZ" })
        {
            if (surroundings.Variable(name) is { } value)
            {
                environment[name] = value;
            }
        }

        // For scripts that ask ozf about the run; one on a storage account needs the account's key, which an entry has to list.
        if (settings.Storage is null)
        {
            environment["OZF_DATA"] = settings.DataDirectory;
        }

        foreach (var entry in sink.Environment)
        {
            if ((entry.Source is { } source ? settings.Secrets.Get(source) : entry.Value ?? surroundings.Variable(entry.Name)) is { } value)
            {
                environment[entry.Name] = value;
            }
        }

        return environment;
    }
}
