using Microsoft.Extensions.Configuration;
using OzFunctions.AzureStorage;
using OzFunctions.Configuration;
using OzFunctions.Keys;
using OzFunctions.ServiceBus;

namespace OzFunctions.FunctionApp;

/// <summary>What this app is made of: its settings, and the one YAML document that they name. Every fault stops the app with a sentence that holds no secret.</summary>
internal sealed record AppSettings
{
    private const string Blob = "blob:";

    public required StorageAccount Account { get; init; }

    /// <summary>Null: this app has no Service Bus.</summary>
    public ServiceBusConnection? ServiceBus { get; init; }

    public required OzfConfiguration Configuration { get; init; }

    public required SecretValues Secrets { get; init; }

    /// <summary><c>public_url</c>, else the name that the platform gives the app; null: it has none, as on a desk.</summary>
    public Uri? PublicUrl { get; init; }

    /// <summary>The name that the platform gives the app; null: none, as on a desk.</summary>
    public string? HostName { get; init; }

    /// <summary>The key of <see cref="SettingNames.ApiKey"/>.</summary>
    public string? ApiKey { get; init; }

    public static AppSettings Read(IConfiguration settings, TimeProvider time)
    {
        var account = OpenStorage(settings, time);
        var configuration = ReadDocument(Find(settings, SettingNames.Config), account);
        var environment = settings.AsEnumerable().Where(entry => entry.Value is not null).ToDictionary(entry => entry.Key.Replace(":", "__", StringComparison.Ordinal), entry => entry.Value!, StringComparer.Ordinal);
        var secrets = SecretValues.Resolve(configuration, environment);

        var faults = secrets.FindFaultsOfFunctionApp(configuration).Select(fault => fault.ToString()).Concat(EventSetup.FindSecretFaults(configuration.Events, secrets)).ToList();
        if (faults.Count > 0)
        {
            throw Refuse($"{SettingNames.Config}: {string.Join(Environment.NewLine, faults)}");
        }

        return new()
        {
            Account = account,
            ServiceBus = OpenServiceBus(settings),
            Configuration = configuration,
            Secrets = secrets,
            PublicUrl = configuration.PublicUrl is { } url ? new(url) : FindHostName(settings) is { } host ? new($"https://{host}") : null,
            HostName = FindHostName(settings),
            ApiKey = Find(settings, SettingNames.ApiKey),
        };
    }

    /// <summary>A connection that <c>events[]</c> names.</summary>
    /// <param name="open">Opens it; what it cannot read it says without repeating it.</param>
    public static T OpenConnection<T>(string key, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception ex) when (ex is StorageSettingException or FormatException)
        {
            throw Refuse($"{key}: {ex.Message}");
        }
    }

    /// <summary>A setting that has a value; an empty one is none.</summary>
    public static string? Find(IConfiguration settings, string name) => settings[name] is not { Length: > 0 } value ? null
        : UnresolvedReference.FindFault(value) is { } fault ? throw Refuse($"{name}: {fault}.")
        : value;

    private static string? FindHostName(IConfiguration settings) =>
        settings["WEBSITE_HOSTNAME"] is { Length: > 0 } host && !host.StartsWith("localhost", StringComparison.OrdinalIgnoreCase) ? host : null;

    private static StorageAccount OpenStorage(IConfiguration settings, TimeProvider time)
    {
        var setting = ConnectionSetting.Choose(
            SettingNames.Storage, Find(settings, SettingNames.Storage), SettingNames.BlobServiceUri, settings.GetSection(SettingNames.Storage)[SettingNames.BlobServiceUri])
            ?? throw Refuse($"{SettingNames.Storage} is missing: a connection string, or {SettingNames.Storage}__{SettingNames.BlobServiceUri} for an identity.");
        return OpenConnection(SettingNames.Storage, () => StorageAccount.Open(setting, new() { Setting = SettingNames.Storage }, time));
    }

    private static ServiceBusConnection? OpenServiceBus(IConfiguration settings)
    {
        var setting = ConnectionSetting.Choose(
            SettingNames.ServiceBus, Find(settings, SettingNames.ServiceBus), SettingNames.FullyQualifiedNamespace, settings.GetSection(SettingNames.ServiceBus)[SettingNames.FullyQualifiedNamespace]);
        return setting is null ? null : OpenConnection(SettingNames.ServiceBus, () => ServiceBusConnection.Open(setting));
    }

    private static OzfConfiguration ReadDocument(string? place, StorageAccount account)
    {
        if (place is null)
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
