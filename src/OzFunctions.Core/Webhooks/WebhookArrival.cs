namespace OzFunctions.Webhooks;

/// <summary>What came in over HTTP, unchecked: exactly the bytes that were sent.</summary>
public sealed record WebhookArrival
{
    /// <summary><c>POST</c>, or <c>OPTIONS</c> for the CloudEvents handshake.</summary>
    public required string Method { get; init; }

    /// <summary>Header values by name in any case; several values of one name joined by a comma.</summary>
    public required IReadOnlyDictionary<string, string> Headers { get; init; }

    public required ReadOnlyMemory<byte> Body { get; init; }

    public string? Find(string header) => Headers.TryGetValue(header, out var value) && value.Length > 0 ? value : null;
}
