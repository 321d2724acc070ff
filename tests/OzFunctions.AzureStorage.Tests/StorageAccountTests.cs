using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Azure;
using OzFunctions.Blobs;
using OzFunctions.Events;
using OzFunctions.Runs;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.AzureStorage.Tests;

/// <summary>Settings that cannot be, keys that are wrong, services that are not there: a sentence each, and never the secret.</summary>
public sealed class StorageAccountTests(SharedAzurite azurite)
{
    private const string Secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ=";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("nonsense")]
    [InlineData("AccountKey=" + Secret)]
    [InlineData("AccountName=a;AccountKey=not base64 " + Secret + ";BlobEndpoint=https://a.blob.core.windows.net")]
    [InlineData("AccountKey=" + Secret + ";x")]
    [InlineData("=" + Secret)]
    [InlineData("http://a.blob.core.windows.net")]
    [InlineData("https://a.example.com")]
    [InlineData("https://a.blob.core.windows.net/container")]
    [InlineData("https://a.blob.core.windows.net/?sv=1&sig=" + Secret)]
    [InlineData("https://user:" + Secret + "@a.blob.core.windows.net")]
    public void What_is_no_account_is_refused_without_repeating_it(string setting)
    {
        var refused = Assert.Throws<StorageSettingException>(() => StorageAccount.Open(setting, new(), TimeProvider.System));

        Assert.DoesNotContain(Secret, refused.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("BlobEndpoint=https://a.blob.core.windows.net;SharedAccessSignature=sv=1&sig=" + Secret, "it names no QueueEndpoint")]
    [InlineData("QueueEndpoint=https://a.queue.core.windows.net;SharedAccessSignature=sv=1&sig=" + Secret, "it names no BlobEndpoint")]
    [InlineData("TableEndpoint=https://a.table.core.windows.net;SharedAccessSignature=sv=1&sig=" + Secret, "it names no QueueEndpoint")]
    public void A_string_that_names_other_services_says_which_endpoint_it_lacks(string setting, string fault)
    {
        var refused = Assert.Throws<StorageSettingException>(() => StorageAccount.Open(setting, new(), TimeProvider.System));

        Assert.StartsWith(fault, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, refused.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_queue_of_events_needs_no_more_than_the_queue_service()
    {
        var account = StorageAccount.OpenQueues("QueueEndpoint=https://a.queue.core.windows.net;SharedAccessSignature=sv=1&sig=" + Secret, new(), TimeProvider.System);

        Assert.Equal("https://a.queue.core.windows.net/done", account.Queue("done").Uri.GetLeftPart(UriPartial.Path));
        var refused = Assert.Throws<StorageSettingException>(() => StorageAccount.OpenQueues("BlobEndpoint=https://a.blob.core.windows.net;SharedAccessSignature=sv=1", new(), TimeProvider.System));
        Assert.StartsWith("it names no QueueEndpoint", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reference_to_a_vault_that_nobody_resolved_is_called_that()
    {
        var refused = Assert.Throws<StorageSettingException>(() => StorageAccount.Open("@Microsoft.KeyVault(VaultName=v;SecretName=storage)", new(), TimeProvider.System));

        Assert.StartsWith("it is a Key Vault reference that was not resolved", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_address_names_blobs_and_queues_of_one_account()
    {
        var account = StorageAccount.Open("https://acme.blob.core.windows.net/", new(), TimeProvider.System);

        Assert.Equal("https://acme.blob.core.windows.net/ozfunctions", account.StoreId);
        Assert.Equal("https://acme.queue.core.windows.net/oz-requests", account.Queue(StorageNames.Requests).Uri.ToString());
        Assert.Equal("http://127.0.0.1:10000/devstoreaccount1", StorageAccount.Open("UseDevelopmentStorage=true", new(), TimeProvider.System).Name);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_wrong_key_is_said_and_not_tried_again()
    {
        var right = (await azurite.GetAsync()).TakeAccount();
        var wrong = right.Replace(AzuriteProcess.Key, Secret, StringComparison.Ordinal);
        var store = new AzureBlobStore(StorageAccount.Open(wrong, new() { Setting = "OZF_STORAGE" }, TimeProvider.System));

        var refused = await Assert.ThrowsAsync<BlobStoreException>(() => store.TryCreateAsync("a", default, null, Cancellation));

        Assert.Equal((false, true), (refused.IsTransient, refused.RefusesAll));
        Assert.Contains("403", refused.Message, StringComparison.Ordinal);
        Assert.Contains("that OZF_STORAGE gives", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, refused.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task A_refused_queue_of_another_account_names_its_own_setting()
    {
        var wrong = (await azurite.GetAsync()).TakeAccount().Replace(AzuriteProcess.Key, Secret, StringComparison.Ordinal);
        var queue = AzureEventQueue.OpenForeign(wrong, "events.there.connection", "their-events", "there", RunEventKinds.All, TimeProvider.System);

        var refused = await Assert.ThrowsAsync<BlobStoreException>(() => queue.PublishAsync(new("e", "t", RunId.Create(TimeProvider.System), "{}"u8.ToArray()), Cancellation));

        Assert.Contains("that events.there.connection gives", refused.Message, StringComparison.Ordinal);
        Assert.True(queue.IsForeign);
    }

    [Theory]
    [InlineData(401, "InvalidAuthenticationInfo")]
    [InlineData(403, "AuthorizationPermissionMismatch")]
    [InlineData(404, "ResourceNotFound")]
    public void A_refusal_names_the_setting_that_is_to_be_looked_at(int status, string code) =>
        Assert.Contains("events.there.connection", StorageFaults.From(new RequestFailedException(status, "no", code, null), "https://a", "events.there.connection", null).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(401, "InvalidAuthenticationInfo", true)]
    [InlineData(403, "AuthenticationFailed", true)]
    [InlineData(404, "ResourceNotFound", true)]
    [InlineData(400, "InvalidResourceName", false)]
    [InlineData(409, "BlobImmutableDueToPolicy", false)]
    [InlineData(412, "LeaseIdMissing", false)]
    public void What_the_account_refuses_to_everybody_is_told_from_what_it_refuses_of_one_blob(int status, string code, bool all)
    {
        var fault = StorageFaults.From(new RequestFailedException(status, "no", code, null), "https://a", "OZF_STORAGE", null);

        Assert.Equal((false, all, all), (fault.IsTransient, fault.RefusesAll, fault.IsOutage));
    }

    [Fact]
    public void A_process_without_an_identity_is_refused_everything() =>
        Assert.True(StorageFaults.From(new Azure.Identity.CredentialUnavailableException("no login"), "https://a", "OZF_STORAGE", null) is { IsTransient: false, RefusesAll: true });

    [Theory(Timeout = 180_000)]
    [InlineData("<!DOCTYPE html><html><head><meta charset=utf-8></head><body>Sign in<br></body></html>")]
    [InlineData("Sign in")]
    [InlineData("")]
    public async Task A_page_that_a_proxy_answers_with_is_an_outage(string page)
    {
        var between = new Interference { Page = page };
        var account = await azurite.OpenAsync(new() { Between = between, RetryAfter = TimeSpan.FromMilliseconds(5) });
        var store = new AzureBlobStore(account);

        BlobStoreException[] faults =
        [
            await Assert.ThrowsAsync<BlobStoreException>(() => store.ListAsync("runs/", null, 10, Cancellation)),
            await Assert.ThrowsAsync<BlobStoreException>(() => new AzureRequestQueue(account, StorageNames.Requests).ReceiveAsync(TimeSpan.FromSeconds(5), TimeSpan.Zero, Cancellation)),
        ];

        Assert.All(faults, fault => Assert.True(fault.IsTransient));
        Assert.All(faults, fault => Assert.Contains("a proxy", fault.Message, StringComparison.Ordinal));
        between.Page = null;
        Assert.Empty((await store.ListAsync("runs/", null, 10, Cancellation)).Entries);
    }

    [Fact(Timeout = 180_000)]
    public async Task An_endpoint_where_nobody_listens_is_an_outage()
    {
        var nobody = new Uri($"http://127.0.0.1:{AzuriteProcess.FreePort()}/devstoreaccount1");
        var store = new AzureBlobStore(StorageAccount.Open(AzuriteProcess.ConnectionStringOf(nobody, nobody), new() { RetryAfter = TimeSpan.FromMilliseconds(5) }, TimeProvider.System));

        var outage = await Assert.ThrowsAsync<BlobStoreException>(() => store.FindAsync("a", Cancellation));

        Assert.True(outage.IsTransient);
        Assert.Contains("cannot be reached", outage.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(AzuriteProcess.Key, outage.ToString(), StringComparison.Ordinal);
    }

    [Fact(Timeout = 180_000)]
    public async Task Faults_of_blobs_and_of_queues_name_the_address_of_each()
    {
        var blobs = new Uri($"http://127.0.0.1:{AzuriteProcess.FreePort()}/devstoreaccount1");
        var queues = new Uri($"http://127.0.0.1:{AzuriteProcess.FreePort()}/devstoreaccount1");
        var account = StorageAccount.Open(AzuriteProcess.ConnectionStringOf(blobs, queues), new() { RetryAfter = TimeSpan.FromMilliseconds(5) }, TimeProvider.System);
        var queue = new AzureRequestQueue(account, StorageNames.Requests);

        var ofBlobs = await Assert.ThrowsAsync<BlobStoreException>(() => new AzureBlobStore(account).FindAsync("a", Cancellation));
        BlobStoreException[] ofQueues =
        [
            await Assert.ThrowsAsync<BlobStoreException>(() => queue.ReceiveAsync(TimeSpan.FromSeconds(5), TimeSpan.Zero, Cancellation)),
            await Assert.ThrowsAsync<BlobStoreException>(() => queue.CompleteAsync(new() { MessageId = "m", Receipt = "r", DeliveryCount = 1, Body = default }, Cancellation)),
        ];

        Assert.Contains(blobs.Authority, ofBlobs.Message, StringComparison.Ordinal);
        Assert.All(ofQueues, fault => Assert.Contains(queues.Authority, fault.Message, StringComparison.Ordinal));
        Assert.All(ofQueues, fault => Assert.DoesNotContain(blobs.Authority, fault.Message, StringComparison.Ordinal));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_service_that_never_answers_is_given_up_in_bounded_time()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var silent = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/devstoreaccount1");
        var options = new StorageAccountOptions { TryTimeout = TimeSpan.FromMilliseconds(300), CallTimeout = TimeSpan.FromSeconds(1), RetryAfter = TimeSpan.FromMilliseconds(5) };
        var store = new AzureBlobStore(StorageAccount.Open(AzuriteProcess.ConnectionStringOf(silent, silent), options, TimeProvider.System));
        var began = Stopwatch.GetTimestamp();

        var outage = await Assert.ThrowsAsync<BlobStoreException>(() => store.FindAsync("a", Cancellation));

        Assert.True(outage.IsTransient);
        Assert.Contains("did not answer in time", outage.Message, StringComparison.Ordinal);
        Assert.InRange(Stopwatch.GetElapsedTime(began), TimeSpan.FromMilliseconds(250), TimeSpan.FromSeconds(30));
    }
}
