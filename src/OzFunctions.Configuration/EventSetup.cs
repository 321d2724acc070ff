using OzFunctions.Events;

namespace OzFunctions.Configuration;

/// <summary>What publishers need of <c>events[]</c>.</summary>
internal static class EventSetup
{
    /// <summary>What a publisher takes that has no value here; null: it can send.</summary>
    public static SecretSource? FindMissing(EventConfiguration sink, SecretValues secrets) =>
        sink.Secrets.Append(sink.Connection).Concat(sink.Environment.Select(entry => entry.Source)).OfType<SecretSource>().FirstOrDefault(source => secrets.Find(source) is null);

    /// <summary>Signing keys that are none, each with its key in the document. Those that have no value here are not looked at.</summary>
    public static IEnumerable<string> FindSecretFaults(IEnumerable<EventConfiguration> sinks, SecretValues secrets) =>
        from sink in sinks
        from secret in sink.Secrets
        where secrets.Find(secret) is { } value && StandardSignature.FindKey(value) is null
        select $"events.{sink.Name}.secret: {secret}: {StandardSignature.KeyRule}";

    /// <summary>A receiver by HTTP, whose secrets have values here.</summary>
    public static HttpEventOptions HttpOptions(EventConfiguration sink, SecretValues secrets)
    {
        var options = new HttpEventOptions
        {
            Name = sink.Name,
            Url = new(sink.Url!),
            Secrets = [.. sink.Secrets.Select(secrets.Get)],
            Kinds = sink.Kinds,
            AllowPrivate = sink.AllowPrivate,
        };
        return sink.Timeout is { } timeout ? options with { Timeout = timeout } : options;
    }
}
