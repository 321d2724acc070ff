using System.Net;
using System.Text;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using OzFunctions.Blobs;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.AzureStorage.Tests;

public sealed class AzureBlobStoreTests(SharedAzurite azurite) : IAsyncLifetime
{
    private StorageAccount _account = null!;
    private AzureBlobStore _store = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> UnusualNames =>
    [
        "data/r/1/artifacts/größe 1%.bin", "data/r/1/artifacts/a?b#c&d=e+f", "data/r/1/artifacts/%2F%00", "data/r/1/artifacts/dir./file.", "data/r/1/artifacts/tab\tnewline\n",
        "data/r/1/artifacts/back\\slash", "data/r/1/artifacts/😀/e\u0301", "data/r/1/artifacts/%u0041%41", "data/r/1/artifacts/..."
    ];

    public async ValueTask InitializeAsync()
    {
        _account = await azurite.OpenAsync();
        _store = new(_account);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory(Timeout = 180_000)]
    [MemberData(nameof(UnusualNames))]
    public async Task Any_name_comes_back_as_it_was(string name)
    {
        await _store.UploadAsync(name, new MemoryStream(Encoding.UTF8.GetBytes(name)), "text/plain", null, Cancellation);

        Assert.Equal(name, Encoding.UTF8.GetString((await _store.FindAsync(name, Cancellation))!.Content.Span));
        Assert.Equal([name], (await _store.ListAsync("data/r/1/", null, 10, Cancellation)).Entries.Select(entry => entry.Name));
        Assert.Equal([name], (await _store.ListAsync(name, null, 10, Cancellation)).Entries.Select(entry => entry.Name));
        Assert.True(await _store.TryDeleteAsync(name, null, Cancellation));
    }

    [Theory]
    [InlineData("a.b/c-d_e.json", "a.b/c-d_e.json")]
    [InlineData("100%", "100%")]
    [InlineData("%41", "%2541")]
    [InlineData("a\nb\\c.", "a%0Ab%5Cc%2E")]
    public void Most_names_are_stored_as_they_are(string name, string stored)
    {
        Assert.Equal(stored, AzureNames.Encode(name));
        Assert.Equal(name, AzureNames.Decode(stored));
    }

    [Fact]
    public void What_would_be_stored_under_a_name_longer_or_deeper_than_the_service_takes_is_refused_before_it_is_sent()
    {
        var encoded = string.Concat(Enumerable.Repeat("%E4%BD%A0", 60));
        string[] taken = [new('x', 1024), $"{encoded}{new string('x', 1024 - (encoded.Length * 5 / 3))}", string.Join('/', Enumerable.Repeat("a", 254))];
        string[] refused = [new('x', 1025), $"{encoded}{new string('x', 1025 - (encoded.Length * 5 / 3))}", string.Join('/', Enumerable.Repeat("a", 255))];

        Assert.All(taken, name => Assert.Equal(name, AzureNames.Decode(AzureNames.Encode(name))));
        Assert.All(refused, name => Assert.Throws<ArgumentException>(() => AzureNames.Encode(name)));
    }

    [Fact]
    public void A_lone_surrogate_has_a_name_that_utf8_can_carry()
    {
        Assert.Equal("%uD800x", AzureNames.Encode("\uD800x"));
        Assert.Equal("\uD800x", AzureNames.Decode("%uD800x"));
    }

    [Fact(Timeout = 180_000)]
    public async Task Metadata_that_the_service_cannot_keep_is_refused_before_it_is_sent()
    {
        foreach (var value in new[] { "größe", "a\nb", " a" })
        {
            var refused = await Assert.ThrowsAsync<ArgumentException>(
                () => _store.TryCreateAsync("a", default, new Dictionary<string, string> { ["title"] = value }, Cancellation));
            Assert.Contains("'title'", refused.Message, StringComparison.Ordinal);
        }
    }

    [Fact(Timeout = 180_000)]
    public async Task An_artifact_has_its_content_type_and_a_log_can_be_read_by_anyone_with_a_link()
    {
        await _store.UploadAsync("data/r/1/artifacts/a.txt", new MemoryStream("hello"u8.ToArray()), "text/plain; charset=utf-8", null, Cancellation);
        var link = await _store.FindReadLinkAsync("data/r/1/artifacts/a.txt", TimeSpan.FromMinutes(5), Cancellation);
        using var http = new HttpClient();

        using var answer = await http.GetAsync(link, Cancellation);
        Assert.Equal((HttpStatusCode.OK, "text/plain; charset=utf-8", "hello"), (answer.StatusCode, answer.Content.Headers.ContentType!.ToString(), await answer.Content.ReadAsStringAsync(Cancellation)));
        using var plain = await http.GetAsync(_store.GetAddress("data/r/1/artifacts/a.txt"), Cancellation);
        Assert.False(plain.IsSuccessStatusCode);
        using var put = await http.PutAsync(link, new StringContent("x"), Cancellation);
        Assert.False(put.IsSuccessStatusCode);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_signature_that_cannot_sign_gives_no_link_and_addresses_never_carry_it()
    {
        var azuriteProcess = await azurite.GetAsync();
        var key = new BlobServiceClient(azuriteProcess.TakeAccount());
        var sas = key.GenerateAccountSasUri(Azure.Storage.Sas.AccountSasPermissions.All, TimeProvider.System.GetUtcNow().AddHours(1), Azure.Storage.Sas.AccountSasResourceTypes.All);
        var signature = sas.Query.TrimStart('?');
        var account = StorageAccount.Open(
            $"BlobEndpoint={key.Uri.GetLeftPart(UriPartial.Path).TrimEnd('/')};QueueEndpoint={azuriteProcess.Queues.GetLeftPart(UriPartial.Authority)}/{key.AccountName};SharedAccessSignature={signature}", new(), TimeProvider.System);
        var store = new AzureBlobStore(account);

        Assert.NotNull(await store.TryCreateAsync("a", "1"u8.ToArray(), null, Cancellation));
        Assert.Null(await store.FindReadLinkAsync("a", TimeSpan.FromMinutes(5), Cancellation));
        Assert.Equal("", store.GetAddress("a").Query);
        Assert.DoesNotContain("sig=", account.StoreId + account.Name, StringComparison.Ordinal);
    }

    /// <summary>Data Lake Storage Gen2, which the emulator is not, shows them so.</summary>
    [Fact(Timeout = 180_000)]
    public async Task Directories_of_an_account_with_hierarchical_namespace_are_no_blobs()
    {
        await _store.PutAsync("data/r/1/artifacts/a.txt", "a"u8.ToArray(), Cancellation);
        foreach (var directory in new[] { "data", "data/r", "data/r/1", "data/r/1/artifacts" })
        {
            var options = new BlobUploadOptions { Metadata = new Dictionary<string, string> { ["hdi_isfolder"] = "true" } };
            await _account.Container.GetBlobClient(directory).UploadAsync(new BinaryData(""), options, Cancellation);
        }

        Assert.Equal(["data/r/1/artifacts/a.txt"], (await _store.ListAsync("", null, 10, Cancellation)).Entries.Select(entry => entry.Name));
        Assert.Empty((await _store.ListAsync("", null, 1, Cancellation)).Entries);
        Assert.Equal(1, await _store.DeleteAllAsync("data/", _ => true, Cancellation));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_lease_that_somebody_took_is_a_fault_that_says_so_and_not_a_refused_condition()
    {
        Assert.True(await _store.TryAppendAsync("log", 0, "1"u8.ToArray(), Cancellation));
        var etag = await _store.PutAsync("record", "1"u8.ToArray(), Cancellation);
        foreach (var name in new[] { "log", "record" })
        {
            await _account.Container.GetBlobClient(name).GetBlobLeaseClient().AcquireAsync(BlobLeaseClient.InfiniteLeaseDuration, cancellationToken: Cancellation);
        }

        Func<Task>[] writes =
        [
            () => _store.TryAppendAsync("log", 1, "2"u8.ToArray(), Cancellation),
            () => _store.TryReplaceAsync("record", "2"u8.ToArray(), null, etag, Cancellation),
            () => _store.TryDeleteAsync("record", etag, Cancellation),
        ];
        foreach (var write in writes)
        {
            var fault = await Assert.ThrowsAsync<BlobStoreException>(write);
            Assert.False(fault.IsOutage);
            Assert.Contains("412 LeaseIdMissing", fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact(Timeout = 180_000)]
    public async Task A_read_goes_on_in_the_version_it_began_with_and_in_a_log_that_grows()
    {
        var content = new byte[9 << 20];
        Random.Shared.NextBytes(content);
        await _store.UploadAsync("big", new MemoryStream(content), "application/octet-stream", null, Cancellation);
        await using (var read = await _store.OpenReadAsync("big", 5, content.Length - 10, Cancellation))
        {
            using var copy = new MemoryStream();
            await read!.CopyToAsync(copy, Cancellation);
            Assert.True(content.AsSpan(5, content.Length - 10).SequenceEqual(copy.ToArray()));
        }

        await using (var read = await _store.OpenReadAsync("big", 0, null, Cancellation))
        {
            await _store.UploadAsync("big", new MemoryStream(content), "application/octet-stream", null, Cancellation);
            await Assert.ThrowsAsync<BlobStoreException>(() => read!.CopyToAsync(Stream.Null, Cancellation));
        }

        var half = content.AsMemory(0, 4 << 20);
        Assert.True(await _store.TryAppendAsync("log", 0, half, Cancellation));
        Assert.True(await _store.TryAppendAsync("log", half.Length, half, Cancellation));
        await using (var read = await _store.OpenReadAsync("log", 0, null, Cancellation))
        {
            Assert.True(await _store.TryAppendAsync("log", 2 * half.Length, half, Cancellation));
            using var copy = new MemoryStream();
            await read!.CopyToAsync(copy, Cancellation);
            Assert.Equal(2 * half.Length, copy.Length);
        }
    }
}
