using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace OzFunctions.Testing;

/// <summary>A plain HTTP/1.1 server on a loopback port that keeps what it was sent and answers what the test says.</summary>
public sealed class HttpReceiver : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<Task, bool> _connections = new();
    private readonly SemaphoreSlim _came = new(0);
    private readonly Task _accepting;

    public HttpReceiver()
    {
        _listener.Start();
        Url = new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/hook");
        _accepting = AcceptAsync();
    }

    public Uri Url { get; }

    /// <summary>The head of the answer; null: none ever comes. Default: 204.</summary>
    public Func<ReceivedRequest, string?> Answer { get; set; } = _ => "HTTP/1.1 204 No Content";

    /// <summary>All that is sent, head and body, before the connection is closed; null: <see cref="Answer"/> says.</summary>
    public Func<ReceivedRequest, string>? Whole { get; set; }

    /// <summary>The connection stays open after <see cref="Whole"/>, and nothing more comes.</summary>
    public bool HoldsOpen { get; set; }

    public ConcurrentQueue<ReceivedRequest> Requests { get; } = new();

    /// <summary>The next request that came and was not waited for yet.</summary>
    public async Task<ReceivedRequest> NextAsync(CancellationToken cancellationToken)
    {
        await _came.WaitAsync(cancellationToken);
        return Requests.Last();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Task.WhenAll(_connections.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _came.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            var client = await _listener.AcceptTcpClientAsync(_stop.Token);
            var task = ServeAsync(client);
            _connections[task] = true;
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            await using var stream = client.GetStream();
            var request = await ReadAsync(stream);
            Requests.Enqueue(request);
            _came.Release();
            if (Whole is { } whole)
            {
                await stream.WriteAsync(Encoding.UTF8.GetBytes(whole(request)), _stop.Token);
                if (HoldsOpen)
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _stop.Token);
                }

                return;
            }

            if (Answer(request) is not { } head)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, _stop.Token);
                return;
            }

            await stream.WriteAsync(Encoding.ASCII.GetBytes(head + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), _stop.Token);
        }
    }

    private async Task<ReceivedRequest> ReadAsync(NetworkStream stream)
    {
        var bytes = new List<byte>();
        var buffer = new byte[4096];
        int end;
        while ((end = Encoding.ASCII.GetString([.. bytes]).IndexOf("\r\n\r\n", StringComparison.Ordinal)) < 0)
        {
            var read = await stream.ReadAsync(buffer, _stop.Token);
            bytes.AddRange(buffer.AsSpan(0, read > 0 ? read : throw new IOException("The sender went away in the middle of its request.")));
        }

        var lines = Encoding.ASCII.GetString([.. bytes.Take(end)]).Split("\r\n");
        var headers = lines.Skip(1).Select(line => line.Split(':', 2)).ToDictionary(pair => pair[0].Trim(), pair => pair[1].Trim(), StringComparer.OrdinalIgnoreCase);
        var length = int.Parse(headers.GetValueOrDefault("Content-Length", "0"), CultureInfo.InvariantCulture);
        var body = bytes.Skip(end + 4).ToList();
        while (body.Count < length)
        {
            var read = await stream.ReadAsync(buffer, _stop.Token);
            body.AddRange(buffer.AsSpan(0, read > 0 ? read : throw new IOException("The sender went away in the middle of its body.")));
        }

        return new(lines[0], headers, [.. body]);
    }
}

/// <summary>One request as it came.</summary>
public sealed record ReceivedRequest(string RequestLine, IReadOnlyDictionary<string, string> Headers, byte[] Body);
