using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;

namespace OzFunctions.Events;

/// <summary>
/// Posts events, signed by Standard Webhooks. 2xx is taken, 410 is the end of the delivery, anything else is tried again. Follows no redirect and uses no proxy: the
/// address that was checked is the one that is connected to, whatever the name says a moment later.
/// </summary>
public sealed class HttpEventPublisher : IEventPublisher, IDisposable
{
    private readonly HttpEventOptions _options;
    private readonly StandardSignature _signature;
    private readonly TimeProvider _time;
    private readonly HttpClient _client;

    public HttpEventPublisher(HttpEventOptions options, TimeProvider time)
    {
        _options = options;
        _signature = new(options.Secrets);
        _time = time;
        _client = new(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = options.Timeout,
            // Names move; a connection kept for hours would not notice.
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            MaxConnectionsPerServer = 8,
            MaxResponseHeadersLength = 64,
            ConnectCallback = ConnectAsync,
        })
        {
            // Ours, on the clock of the host.
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    public string Name => _options.Name;

    public IReadOnlyList<RunEventKind> Kinds => _options.Kinds;

    public bool IsPrompt => false;

    public RetryPlan Retries => RetryPlan.OneDay;

    public async Task PublishAsync(RunEvent runEvent, CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        using var request = new HttpRequestMessage(HttpMethod.Post, _options.Url);
        request.Headers.TryAddWithoutValidation(StandardSignature.IdHeader, runEvent.Id);
        request.Headers.TryAddWithoutValidation(StandardSignature.TimestampHeader, now.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture));
        request.Headers.TryAddWithoutValidation(StandardSignature.SignatureHeader, _signature.Sign(runEvent.Id, now, runEvent.Json.Span));
        request.Headers.UserAgent.Add(new ProductInfoHeaderValue("OzFunctions", null));
        request.Content = new ReadOnlyMemoryContent(runEvent.Json);
        request.Content.Headers.ContentType = new("application/cloudevents+json") { CharSet = "utf-8" };

        using var deadline = new CancellationTokenSource(_options.Timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            // What the receiver says beside its status is nobody's business here.
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, either.Token);
            ThrowUnlessTaken(response, now);
        }
        catch (OperationCanceledException ex) when (!cancellationToken.IsCancellationRequested)
        {
            throw new EventDeliveryException(string.Create(CultureInfo.InvariantCulture, $"No answer within {_options.Timeout.TotalSeconds:0} s."), ex);
        }
        catch (HttpRequestException ex) when (ex.InnerException is PrivateAddressException)
        {
            throw new EventDeliveryException(ex.InnerException.Message);
        }
        catch (HttpRequestException ex)
        {
            throw new EventDeliveryException($"No connection: {Sentence(ex)}", ex);
        }
    }

    public void Dispose() => _client.Dispose();

    private static void ThrowUnlessTaken(HttpResponseMessage response, DateTimeOffset now)
    {
        if (response.IsSuccessStatusCode)
        {
            return;
        }

        var status = (int)response.StatusCode;
        throw new EventDeliveryException(status switch
        {
            410 => "Answered 410: the receiver wants no more of it.",
            >= 300 and < 400 => string.Create(CultureInfo.InvariantCulture, $"Answered {status}: redirects are not followed; configure the address itself."),
            _ => string.Create(CultureInfo.InvariantCulture, $"Answered {status}."),
        })
        {
            Status = status,
            IsFinal = response.StatusCode == HttpStatusCode.Gone,
            RetryAfter = response.Headers.RetryAfter switch
            {
                { Delta: { } delta } => delta,
                { Date: { } date } when date > now => date - now,
                _ => null,
            },
        };
    }

    private static string Sentence(HttpRequestException exception) => exception.HttpRequestError switch
    {
        HttpRequestError.NameResolutionError => "the name does not resolve.",
        HttpRequestError.SecureConnectionError => "TLS failed: " + (exception.InnerException?.Message ?? exception.Message),
        _ => (exception.InnerException ?? exception).Message,
    };

    /// <summary>Resolves, keeps what may be reached, connects to that very address: a name that answers otherwise a moment later (DNS rebinding) is not asked again.</summary>
    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var host = context.DnsEndPoint.Host;
        var addresses = IPAddress.TryParse(host, out var literal) ? [literal] : await _options.Resolve(host, cancellationToken);
        var reachable = _options.AllowPrivate ? addresses : [.. addresses.Where(PublicAddresses.IsPublic)];
        if (reachable.Length == 0)
        {
            throw addresses.Length == 0
                ? new SocketException((int)SocketError.HostNotFound)
                : new PrivateAddressException(_options.Name, addresses[0]);
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(reachable, context.DnsEndPoint.Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private sealed class PrivateAddressException(string name, IPAddress address)
        : IOException($"Not sent: {address} is a private address; where that is meant, set allow_private: true on the publisher '{name}'.");
}

/// <summary>One receiver of events by HTTP.</summary>
public sealed record HttpEventOptions
{
    public required string Name { get; init; }

    public required Uri Url { get; init; }

    /// <summary>Secrets of Standard Webhooks, the newest first; several while a receiver changes over.</summary>
    public required IReadOnlyList<string> Secrets { get; init; }

    public IReadOnlyList<RunEventKind> Kinds { get; init; } = [RunEventKind.Completed];

    /// <summary>May be sent to loopback, private and link-local addresses. Default: false.</summary>
    public bool AllowPrivate { get; init; }

    /// <summary>Of one try, from connecting to the answer's head. Default: 15 seconds.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How names become addresses. Default: the system's way.</summary>
    public Func<string, CancellationToken, Task<IPAddress[]>> Resolve { get; init; } = Dns.GetHostAddressesAsync;

    /// <summary>The secrets stay inside.</summary>
    public override string ToString() => $"{Name}: {Url}";
}
