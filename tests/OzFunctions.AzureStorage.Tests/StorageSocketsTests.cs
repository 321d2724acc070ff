using System.Net;
using System.Net.Sockets;

namespace OzFunctions.AzureStorage.Tests;

public sealed class StorageSocketsTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact(Timeout = 180_000)]
    public async Task What_the_other_end_does_not_take_any_more_ends_the_call_without_any_other_deadline()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "TCP_USER_TIMEOUT is Linux' own");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var accepting = listener.AcceptTcpClientAsync(Cancellation).AsTask();
        using var client = new HttpClient(StorageSockets.CreateHandler(deadAfter: TimeSpan.FromSeconds(1))) { Timeout = Timeout.InfiniteTimeSpan };

        // More than both ends buffer.
        using var content = new ByteArrayContent(new byte[64 << 20]);
        var call = client.PutAsync(new Uri($"http://{listener.LocalEndpoint}/"), content, Cancellation);
        using var silent = await accepting;
        var fault = await Assert.ThrowsAsync<HttpRequestException>(() => call);

        Assert.Equal(SocketError.TimedOut, Assert.IsType<SocketException>(fault.GetBaseException()).SocketErrorCode);
        Assert.True(StorageFaults.IsTransient(fault));
    }
}
