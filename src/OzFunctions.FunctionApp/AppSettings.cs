using Microsoft.Extensions.Configuration;
using OzFunctions.AzureStorage;
using OzFunctions.Configuration;
using OzFunctions.ServiceBus;

namespace OzFunctions.FunctionApp;

/// <summary>What this app is made of: its settings, and the one YAML document that they name. Every fault stops the app with a sentence that holds no secret.</summary>
internal sealed record AppSettings
{
    private const string Blob = "blob:";

    private static readonly string[] Needed = ["api_keys.", "webhooks.", "events."];

    public required StorageAccount Account { get; init; }

    /// <summary>Null: this app has no Service Bus.</summary>
    public ServiceBusConnection? ServiceBus { get; init; }

    public required OzfConfiguration Configuration { get; init; }

    public required SecretValues Secrets { get; init; }

    /// <summary><c>public_url</c>, else the name that the platform gives the app; null: it has none, as on a desk.</summary>
    public Uri? PublicUrl { get; init; }

    /// <summary>The key of <see cref="SettingNames.ApiKey"/>.</summary>
    public string? ApiKey { get; init; }

    public static AppSettings Read(IConfiguration settings, TimeProvider time)
    {
        var account = OpenStorage(settings, time);
        var configuration = ReadDocument(settings[SettingNames.Config], account);
        var environment = settings.AsEnumerable().Where(entry => entry.Value is not null).ToDictionary(entry => entry.Key.Replace(":", "__", StringComparison.Ordinal), entry => entry.Value!, StringComparer.Ordinal);
        var secrets = SecretValues.Resolve(configuration, environment);

        // Secrets of runs and of the backend are the hosts' own: this app need not have them.
        if (secrets.Faults.Where(fault => Needed.Any(fault.Key.StartsWith)).ToList() is { Count: > 0 } faults)
        {
            throw Refuse($"{SettingNames.Config}: {string.Join(Environment.NewLine, faults)}");
        }

        return new()
        {
            Account = account,
            ServiceBus = OpenServiceBus(settings),
            Configuration = configuration,
            Secrets = secrets,
            PublicUrl = FindPublicUrl(configuration, settings),
            ApiKey = settings[SettingNames.ApiKey] is { Length: > 0 } key ? key : null,
        };
    }

    private static Uri? FindPublicUrl(OzfConfiguration configuration, IConfiguration settings) =>
        configuration.PublicUrl is { } url ? new(url)
        : settings["WEBSITE_HOSTNAME"] is { Length: > 0 } host && !host.StartsWith("localhost", StringComparison.OrdinalIgnoreCase) ? new($"https://{host}")
        : null;

    private static StorageAccount OpenStorage(IConfiguration settings, TimeProvider time)
    {
        var setting = settings[SettingNames.Storage] ?? settings.GetSection(SettingNames.Storage)[SettingNames.BlobServiceUri]
            ?? throw Refuse($"{SettingNames.Storage} is missing: a connection string, or {SettingNames.Storage}__{SettingNames.BlobServiceUri} for an identity.");
        try
        {
            return StorageAccount.Open(setting, new(), time);
        }
        catch (StorageSettingException ex)
        {
            throw Refuse($"{SettingNames.Storage}: {ex.Message}");
        }
    }

    private static ServiceBusConnection? OpenServiceBus(IConfiguration settings)
    {
        var setting = settings[SettingNames.ServiceBus] ?? settings.GetSection(SettingNames.ServiceBus)[SettingNames.FullyQualifiedNamespace];
        if (string.IsNullOrEmpty(setting))
        {
            return null;
        }

        try
        {
            return ServiceBusConnection.Open(setting);
        }
        catch (FormatException ex)
        {
            throw Refuse($"{SettingNames.ServiceBus}: {ex.Message}");
        }
    }

    private static OzfConfiguration ReadDocument(string? place, StorageAccount account)
    {
        if (string.IsNullOrEmpty(place))
        {
            return new();
        }

        var read = place.StartsWith(Blob, StringComparison.Ordinal)
            ? account.Read(place[Blob.Length..]) is { } content
                ? ConfigurationFile.Read(content.Span, place)
                : throw Refuse($"{SettingNames.Config}: '{place}': there is no such blob in the container {StorageNames.Container} of {account.Name}.")
            : ConfigurationFile.Load(place);
        return read.IsValid ? read.Configuration! : throw Refuse($"{SettingNames.Config}: {string.Join(Environment.NewLine, read.Faults)}");
    }

    private static InvalidOperationException Refuse(string message) => new(message);
}
