using Azure.Storage.Blobs;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.AzureStorage.Tests;

public sealed class AzuriteProcessTests
{
    [Fact(Timeout = 180_000)]
    public async Task Azurite_answers_on_ports_of_its_own_and_is_gone_with_the_test()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var other = await AzuriteProcess.StartAsync(cancellationToken);
        int process;
        await using (var azurite = await AzuriteProcess.StartAsync(cancellationToken))
        {
            process = azurite.ProcessId;
            Assert.NotEqual(azurite.Blobs, other.Blobs);

            // The newest version of the service that Azurite 3.35.0 knows.
            var service = new BlobServiceClient(azurite.ConnectionString, new BlobClientOptions(BlobClientOptions.ServiceVersion.V2025_11_05));
            Assert.NotNull((await service.GetBlobContainerClient("test").CreateAsync(cancellationToken: cancellationToken)).Value);
        }

        Assert.False(Directory.Exists($"/proc/{process}"));
    }
}
