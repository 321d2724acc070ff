using Azure.Storage.Blobs;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.AzureStorage.Tests;

public sealed class AzuriteProcessTests
{
    [Fact(Timeout = 180_000)]
    public async Task Azurite_answers_on_ports_of_its_own_and_is_gone_with_the_test()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var first = await AzuriteProcess.StartAsync(cancellationToken);
        await using var second = await AzuriteProcess.StartAsync(cancellationToken);
        Assert.NotEqual(first.Blobs, second.Blobs);

        // The newest version of the service that Azurite 3.35.0 knows.
        var options = new BlobClientOptions(BlobClientOptions.ServiceVersion.V2025_11_05);
        Assert.NotNull((await new BlobServiceClient(first.ConnectionString, options).GetBlobContainerClient("test").CreateAsync(cancellationToken: cancellationToken)).Value);

        await first.DisposeAsync();
        Assert.False(Directory.Exists($"/proc/{first.ProcessId}"));
    }
}
