using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OzFunctions.AzureStorage;
using OzFunctions.Configuration;
using OzFunctions.Events;
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

    public static IServiceCollection AddOzFunctions(this IServiceCollection services, IConfiguration configuration)
    {
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(provider => AppSettings.Read(configuration, provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton(provider => CreateCore(provider.GetRequiredService<AppSettings>(), provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILoggerFactory>()));
        services.AddSingleton(provider => CreateDoor(provider.GetRequiredService<AppSettings>(), provider.GetRequiredService<OzCore>(), provider.GetRequiredService<ILoggerFactory>()));
        return services;
    }

    private static OzCore CreateCore(AppSettings settings, TimeProvider time, ILoggerFactory loggers)
    {
        var configuration = settings.Configuration;
        var ports = new OzPorts
        {
            StoreId = settings.Account.StoreId,
            Blobs = new AzureBlobStore(settings.Account),
            Bell = new AzureBell(settings.Account),
            HostLock = new NoHostLock(),
            Publishers = CreatePublishers(settings, time),
            Time = time,
        };
        var options = new CoreOptions
        {
            PublicUrl = settings.PublicUrl,
            Intake = new() { DefaultWorkerId = configuration.WorkerId ?? "local", MaxQueued = configuration.Limits.MaxQueued },
            Tick = new() { Lease = configuration.Lease, QueueTtl = configuration.Limits.QueueTtl },
            Schedules = configuration.Schedules,
        };
        return new(ports, options, loggers);
    }

    /// <summary>Of <c>events[]</c>, what this app can send to; local commands are the hosts' own. Nothing configured: the queue <c>oz-events</c>.</summary>
    private static List<IEventPublisher> CreatePublishers(AppSettings settings, TimeProvider time)
    {
        if (settings.Configuration.Events.Count == 0)
        {
            return [new AzureEventQueue(settings.Account)];
        }

        var publishers = new List<IEventPublisher>();
        foreach (var sink in settings.Configuration.Events)
        {
            switch (sink)
            {
                case { Queue: { } queue, Connection: { } connection }:
                    publishers.Add(new AzureEventQueue(StorageAccount.Open(settings.Secrets.Get(connection), new(), time), queue, sink.Name, sink.Kinds) { IsForeign = true });
                    break;
                case { Queue: { } queue }:
                    publishers.Add(new AzureEventQueue(settings.Account, queue, sink.Name, sink.Kinds));
                    break;
                case { Topic: { } topic }:
                    publishers.Add(new ServiceBusEventPublisher(ConnectionOf(sink, settings), topic, sink.Name, sink.Kinds));
                    break;
                case { Url: { } url }:
                    publishers.Add(new HttpEventPublisher(
                        new()
                        {
                            Name = sink.Name,
                            Url = new(url),
                            Secrets = [.. sink.Secrets.Select(settings.Secrets.Get)],
                            Kinds = sink.Kinds,
                            AllowPrivate = sink.AllowPrivate,
                        },
                        time));
                    break;
            }
        }

        return publishers;
    }

    private static ServiceBusConnection ConnectionOf(EventConfiguration sink, AppSettings settings) =>
        sink.Connection is { } source ? ServiceBusConnection.Open(settings.Secrets.Get(source))
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
                PublicUrl = settings.PublicUrl,
                Requests = new AzureRequestQueue(settings.Account, SettingNames.RequestQueue),
            };
    }

    /// <summary>This app stands at a public address: a key that can be guessed opens it to everybody.</summary>
    private static byte[] Hash(string setting, string key) => KeyText.FindFault(key) is { } fault ? throw new InvalidOperationException($"{setting}: {fault}.") : KeyText.Hash(key);
}
