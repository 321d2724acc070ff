using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Telemetry;

/// <summary>
/// Tells systemd that the host is ready, lives and stops (sd_notify(3)): one datagram each to the socket in <c>NOTIFY_SOCKET</c>. Does nothing elsewhere.
/// </summary>
internal sealed class ServiceNotices : IAsyncDisposable
{
    private readonly Socket? _socket;
    private readonly EndPoint? _place;
    private readonly CancellationTokenSource _over = new();
    private Task _watching = Task.CompletedTask;

    private ServiceNotices(Socket? socket, EndPoint? place) => (_socket, _place) = (socket, place);

    /// <summary>Says READY, and WATCHDOG at half of what <c>WATCHDOG_USEC</c> allows while <paramref name="lives"/> answers.</summary>
    /// <param name="lives">False or no answer: the host hangs, and systemd is to restart it. Agents live on.</param>
    public static ServiceNotices Start(Surroundings surroundings, Func<bool> lives)
    {
        if (surroundings.Variable("NOTIFY_SOCKET") is not { } path || !(path.StartsWith('/') || path.StartsWith('@')))
        {
            return new(null, null);
        }

        var place = new UnixDomainSocketEndPoint(path.StartsWith('@') ? "\0" + path[1..] : path);
        var notices = new ServiceNotices(new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified), place);
        notices.Say("READY=1");
        if (long.TryParse(surroundings.Variable("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds) && microseconds > 0
            && (surroundings.Variable("WATCHDOG_PID") is not { } pid || pid == Environment.ProcessId.ToString(CultureInfo.InvariantCulture)))
        {
            notices._watching = notices.WatchAsync(TimeSpan.FromMicroseconds(microseconds / 2.0), lives, surroundings.Time);
        }

        return notices;
    }

    public async ValueTask DisposeAsync()
    {
        Say("STOPPING=1");
        await _over.CancelAsync();
        await _watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _over.Dispose();
        _socket?.Dispose();
    }

    private async Task WatchAsync(TimeSpan every, Func<bool> lives, TimeProvider time)
    {
        using var timer = new PeriodicTimer(every, time);
        do
        {
            if (lives())
            {
                Say("WATCHDOG=1");
            }
        }
        while (await timer.WaitForNextTickAsync(_over.Token));
    }

    private void Say(string text)
    {
        try
        {
            _socket?.SendTo(Encoding.UTF8.GetBytes(text), _place!);
        }
        catch (SocketException)
        {
            // A manager that is gone needs no news.
        }
    }
}
