using System.Net.Sockets;

namespace OzFunctions.AzureStorage;

/// <summary>
/// Connections to the service that notice the other end's silence themselves. A call has the time that a slow line takes for what it carries, which is minutes for a block of
/// an artifact; a connection that carries nothing any more is told from a slow one by its acknowledgements alone.
/// </summary>
internal static class StorageSockets
{
    /// <summary>What was sent, or waits to be, may stand unacknowledged this long.</summary>
    public static readonly TimeSpan DeadAfter = TimeSpan.FromSeconds(60);

    // Linux, tcp(7): TCP_USER_TIMEOUT, milliseconds. Without it a connection to a machine that is gone is given up after 15 minutes and more (tcp_retries2).
    private const int TcpUserTimeout = 18;

    private const int ProbeAfterSeconds = 30;
    private const int ProbeEverySeconds = 10;
    private const int Probes = 3;

    /// <summary>Connections are kept for as long as a load balancer keeps them, and a dead address is given up quickly.</summary>
    public static SocketsHttpHandler CreateHandler(TimeSpan deadAfter) => new()
    {
        ConnectTimeout = TimeSpan.FromSeconds(5),
        PooledConnectionLifetime = TimeSpan.FromMinutes(10),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(90),
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectCallback = (context, cancellationToken) => ConnectAsync(context, deadAfter, cancellationToken),
    };

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, TimeSpan deadAfter, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            NoticeSilence(socket, deadAfter);
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void NoticeSilence(Socket socket, TimeSpan deadAfter)
    {
        try
        {
            // Of a call that is sent and waits for its answer; what is under way is the user timeout's.
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, ProbeAfterSeconds);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, ProbeEverySeconds);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, Probes);
            if (OperatingSystem.IsLinux())
            {
                socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, TcpUserTimeout, BitConverter.GetBytes((int)deadAfter.TotalMilliseconds));
            }
        }
        catch (SocketException)
        {
            // Old systems and sandboxes do not know them all: calls have times of their own, only longer ones.
        }
    }
}
