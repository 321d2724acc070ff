using System.Text;
using Azure;
using Azure.Core;

namespace OzFunctions.AzureStorage.Tests;

/// <summary>200 with this text, for what never reaches a service.</summary>
internal sealed class CannedAnswer(string contentType, string text) : Response
{
    public override int Status => 200;

    public override string ReasonPhrase => "OK";

    public override Stream? ContentStream { get; set; } = new MemoryStream(Encoding.UTF8.GetBytes(text));

    public override string ClientRequestId { get; set; } = "";

    public override void Dispose()
    {
    }

    protected override bool TryGetHeader(string name, out string value)
    {
        value = name.Equals("Content-Type", StringComparison.OrdinalIgnoreCase) ? contentType : "";
        return value.Length > 0;
    }

    protected override bool TryGetHeaderValues(string name, out IEnumerable<string> values)
    {
        values = TryGetHeader(name, out var value) ? [value] : [];
        return value.Length > 0;
    }

    protected override bool ContainsHeader(string name) => TryGetHeader(name, out _);

    protected override IEnumerable<HttpHeader> EnumerateHeaders() => [new("Content-Type", contentType)];
}
