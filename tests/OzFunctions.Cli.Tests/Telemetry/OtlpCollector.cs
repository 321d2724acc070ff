using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;

namespace OzFunctions.Cli.Tests.Telemetry;

/// <summary>Takes OTLP over HTTP and keeps the bodies as Latin-1, in which names can be searched and every byte stands.</summary>
internal sealed class OtlpCollector : IAsyncDisposable
{
    private readonly HttpListener _listener;
    private readonly Channel<(string Path, string Body)> _bodies = Channel.CreateUnbounded<(string, string)>();
    private readonly List<(string Path, string Body)> _seen = [];
    private readonly Task _serving;

    public OtlpCollector()
    {
        (_listener, Address) = Listen();
        _serving = ServeAsync();
    }

    public Uri Address { get; }

    /// <summary>All bodies of a path up to the one that holds the text.</summary>
    public async Task<string> WaitAsync(string path, string text, CancellationToken cancellationToken)
    {
        while (_seen.FirstOrDefault(one => one.Path == path && one.Body.Contains(text, StringComparison.Ordinal)) is not { Body: not null })
        {
            _seen.Add(await _bodies.Reader.ReadAsync(cancellationToken));
        }

        return string.Concat(_seen.Where(one => one.Path == path).Select(one => one.Body));
    }

    /// <summary>All bodies of a path so far, once there is one more.</summary>
    public async Task<string> NextAsync(string path, CancellationToken cancellationToken)
    {
        do
        {
            _seen.Add(await _bodies.Reader.ReadAsync(cancellationToken));
        }
        while (_seen[^1].Path != path);

        return string.Concat(_seen.Where(one => one.Path == path).Select(one => one.Body));
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _serving;
        _listener.Close();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception ex) when (ex is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            try
            {
                using var body = new MemoryStream();
                await context.Request.InputStream.CopyToAsync(body);
                await _bodies.Writer.WriteAsync((context.Request.Url!.AbsolutePath, Encoding.Latin1.GetString(body.ToArray())));
                context.Response.ContentType = "application/x-protobuf";
                context.Response.Close();
            }
            catch (Exception ex) when (ex is HttpListenerException or IOException or ObjectDisposedException)
            {
                // The sender went away in the middle; the next one is to be heard.
            }
        }
    }

    /// <summary>It takes no port 0: one that was free a moment ago may be another's by now.</summary>
    private static (HttpListener Listener, Uri Address) Listen()
    {
        while (true)
        {
            using var free = new TcpListener(IPAddress.Loopback, 0);
            free.Start();
            Uri address = new($"http://127.0.0.1:{((IPEndPoint)free.LocalEndpoint).Port}/");
            free.Stop();
            var listener = new HttpListener();
            listener.Prefixes.Add(address.ToString());
            try
            {
                listener.Start();
                return (listener, address);
            }
            catch (HttpListenerException)
            {
                listener.Close();
            }
        }
    }
}
