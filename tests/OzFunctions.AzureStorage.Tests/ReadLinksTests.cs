using System.Globalization;
using System.Web;
using System.Xml.Linq;
using Azure.Core;
using Azure.Core.Pipeline;
using OzFunctions.Testing;

namespace OzFunctions.AzureStorage.Tests;

/// <summary>Links where an identity is all there is: signed by a key that the service makes for it (user delegation). Of the service only that one answer is played.</summary>
public sealed class ReadLinksTests
{
    private readonly ManualTimeProvider _clock = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_identity_signs_links_by_one_key_that_holds_on_clocks_ten_minutes_apart()
    {
        var service = new DelegationService();
        var store = new AzureBlobStore(StorageAccount.Open("https://acme.blob.core.windows.net", new() { Identity = new FixedToken(), Between = service }, _clock));

        var first = await store.FindReadLinkAsync("data/r/1/artifacts/größe 1%.txt", TimeSpan.FromHours(1), Cancellation);
        var second = await store.FindReadLinkAsync("data/r/1/log.ndjson", TimeSpan.FromHours(1), Cancellation);

        var (start, expiry) = Assert.Single(service.Asked);
        Assert.True(start <= _clock.GetUtcNow() - TimeSpan.FromMinutes(10), $"A host ten minutes ahead would make links that hold only from {start:O} on.");
        Assert.True(expiry >= _clock.GetUtcNow() + TimeSpan.FromHours(1));
        Assert.Equal("https://acme.blob.core.windows.net/ozfunctions/data/r/1/artifacts/gr%C3%B6%C3%9Fe%201%25.txt", first!.GetLeftPart(UriPartial.Path).Replace("%2F", "/", StringComparison.Ordinal));
        var query = HttpUtility.ParseQueryString(second!.Query);
        Assert.Equal(("r", "b", "https", "the-object"), (query["sp"], query["sr"], query["spr"], query["skoid"]));
        Assert.Equal(_clock.GetUtcNow() + TimeSpan.FromHours(1), DateTimeOffset.Parse(query["se"]!, CultureInfo.InvariantCulture), TimeSpan.FromSeconds(1));
        Assert.NotEqual(HttpUtility.ParseQueryString(first.Query)["sig"], query["sig"]);
    }

    [Fact]
    public async Task A_link_that_would_outlive_the_key_gets_another()
    {
        var service = new DelegationService();
        var store = new AzureBlobStore(StorageAccount.Open("https://acme.blob.core.windows.net", new() { Identity = new FixedToken(), Between = service }, _clock));
        await store.FindReadLinkAsync("a", TimeSpan.FromHours(1), Cancellation);

        _clock.Advance(TimeSpan.FromHours(12));
        await store.FindReadLinkAsync("a", TimeSpan.FromDays(6), Cancellation);

        Assert.Equal(2, service.Asked.Count);
        Assert.True(service.Asked[1].Expiry >= _clock.GetUtcNow() + TimeSpan.FromDays(6));
        Assert.True(service.Asked[1].Expiry - service.Asked[1].Start <= TimeSpan.FromDays(7), "The service makes no key for longer.");
    }

    private sealed class FixedToken : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) => new("token", new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) => new(GetToken(requestContext, cancellationToken));
    }

    private sealed class DelegationService : HttpPipelinePolicy
    {
        public List<(DateTimeOffset Start, DateTimeOffset Expiry)> Asked { get; } = [];

        public override void Process(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline) => throw new NotSupportedException();

        public override async ValueTask ProcessAsync(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline)
        {
            Assert.Contains("comp=userdelegationkey", message.Request.Uri.Query, StringComparison.Ordinal);
            using var body = new MemoryStream();
            await message.Request.Content!.WriteToAsync(body, message.CancellationToken);
            body.Position = 0;
            var wish = XDocument.Load(body).Root!;
            var (start, expiry) = (wish.Element("Start")!.Value, wish.Element("Expiry")!.Value);
            Asked.Add((DateTimeOffset.Parse(start, CultureInfo.InvariantCulture), DateTimeOffset.Parse(expiry, CultureInfo.InvariantCulture)));
            message.Response = new CannedAnswer("application/xml", $"""
                <UserDelegationKey><SignedOid>the-object</SignedOid><SignedTid>the-tenant</SignedTid><SignedStart>{start}</SignedStart><SignedExpiry>{expiry}</SignedExpiry>
                <SignedService>b</SignedService><SignedVersion>2025-11-05</SignedVersion><Value>{Convert.ToBase64String("key"u8)}</Value></UserDelegationKey>
                """);
        }
    }
}
