using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OzFunctions.AzureStorage;
using OzFunctions.Configuration;
using OzFunctions.Events;
using OzFunctions.FunctionApp.Functions;
using OzFunctions.Hosts;
using OzFunctions.Http;
using OzFunctions.Http.Keys;
using OzFunctions.Http.Webhooks;
using OzFunctions.Keys;
using OzFunctions.Protocol;
using OzFunctions.ServiceBus;
using OzFunctions.Webhooks;

namespace OzFunctions.FunctionApp;

/// <summary>Core and the front door over Azure Storage and Service Bus, put together once.</summary>
internal static class FunctionServices
{
    private const string SettingKeyName = "app-setting";
    private const string OfHosts = "Hosts send to it.";

    public static IServiceCollection AddOzFunctions(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(provider => AppSettings.Read(configuration, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => CreateCore(provider.GetRequiredService<AppSettings>(), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILoggerFactory>()));
        services.AddSingleton(provider => CreateDoor(provider.GetRequiredService<AppSettings>(), provider.GetRequiredService<OzCore>(), provider.GetRequiredService<ILoggerFactory>()));
        services.AddSingleton(provider => provider.GetRequiredService<OzCore>().CreateConsumer(new AzureRequestQueue(provider.GetRequiredService<AppSettings>().Account, SettingNames.RequestQueue)));
        services.AddSingleton<MessageReturn>();
        return services;
    }

    private static OzCore CreateCore(AppSettings settings, TimeProvider time, ILoggerFactory loggers)
    {
        var ports = new OzPorts
        {
            StoreId = settings.Account.StoreId,
            Blobs = new AzureBlobStore(settings.Account),
            Bell = new AzureBell(settings.Account),
            HostLock = new NoHostLock(),
            Publishers = CreatePublishers(settings, time),
            Time = time,
        };
        return new(ports, CoreSetup.Create(settings.Configuration) with { PublicUrl = settings.PublicUrl }, loggers);
    }

    /// <summary><c>events[]</c>: every one is owed; those of the hosts, and those whose secrets only hosts have, are theirs to send. Nothing configured: the queue <c>oz-events</c>.</summary>
    private static IReadOnlyList<IEventPublisher> CreatePublishers(AppSettings settings, TimeProvider time) =>
        settings.Configuration.Events.Count == 0 ? [new AzureEventQueue(settings.Account)] : [.. settings.Configuration.Events.Select(sink => CreatePublisher(sink, settings, time))];

    private static IEventPublisher CreatePublisher(EventConfiguration sink, AppSettings settings, TimeProvider time) => sink switch
    {
        { Topic: { } topic } => new ServiceBusEventPublisher(ConnectionOf(sink, settings), topic, sink.Name, sink.Kinds),
        { Command: not null } => new ElsewherePublisher(sink.Name, sink.Kinds, OfHosts),
        _ when EventSetup.FindMissing(sink, settings.Secrets) is not null => new ElsewherePublisher(sink.Name, sink.Kinds, OfHosts),
        { Queue: { } queue, Connection: { } connection } => AppSettings.OpenConnection(
            sink.ConnectionKey, () => AzureEventQueue.OpenForeign(settings.Secrets.Get(connection), sink.ConnectionKey, queue, sink.Name, sink.Kinds, time)),
        { Queue: { } queue } => new AzureEventQueue(settings.Account, queue, sink.Name, sink.Kinds),
        _ => new HttpEventPublisher(EventSetup.HttpOptions(sink, settings.Secrets), time),
    };

    private static ServiceBusConnection ConnectionOf(EventConfiguration sink, AppSettings settings) =>
        sink.Connection is { } source ? AppSettings.OpenConnection(sink.ConnectionKey, () => ServiceBusConnection.Open(settings.Secrets.Get(source)))
        : settings.ServiceBus ?? throw new InvalidOperationException($"events.{sink.Name}.topic: needs {SettingNames.ServiceBus}, or a connection of its own.");

    private static FrontDoor CreateDoor(AppSettings settings, OzCore core, ILoggerFactory loggers)
    {
        var options = DoorOptions(settings);
        var receiver = new WebhookReceiver(WebhookSetup.Create(settings.Configuration.Webhooks, settings.Secrets), core, loggers.CreateLogger<WebhookReceiver>());
        return new(core, options, loggers, new WebhookEndpoints(receiver, options.PublicUrl));
    }

    private static FrontDoorOptions DoorOptions(AppSettings settings)
    {
        var keys = settings.Configuration.ApiKeys
            .Select(key => new ApiKey(key.Name, key.Sha256 is { } hash ? Convert.FromHexString(hash) : Hash($"api_keys.{key.Name}: {key.Source}", settings.Secrets.Get(key.Source!)), key.Scopes))
            .ToList();
        if (settings.ApiKey is { } own)
        {
            keys.Add(new(SettingKeyName, Hash(SettingNames.ApiKey, own), KeyScopes.All));
        }

        return keys.Count == 0
            ? throw new InvalidOperationException($"The API has no key: set {SettingNames.ApiKey}, or configure api_keys[].")
            : new()
            {
                Keys = keys,
                Hosts = settings.HostName is { } name ? [name] : [],
                PublicUrl = settings.PublicUrl,
                Requests = new AzureRequestQueue(settings.Account, SettingNames.RequestQueue),
            };
    }

    /// <summary>This app stands at a public address: a key that can be guessed opens it to everybody.</summary>
    private static byte[] Hash(string setting, string key) => KeyText.FindFault(key) is { } fault ? throw new InvalidOperationException($"{setting}: {fault}.") : KeyText.Hash(key);
}
