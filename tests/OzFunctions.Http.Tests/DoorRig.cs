using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;
using OzFunctions.Http.Keys;
using OzFunctions.Http.Routing;
using OzFunctions.Http.Tests.Documents;
using OzFunctions.Keys;
using OzFunctions.Protocol;
using OzFunctions.Testing;

namespace OzFunctions.Http.Tests;

/// <summary>A front door over ports in memory, called without a network; a key for everything and one for each scope.</summary>
internal sealed class DoorRig
{
    public const string Key = "test-key-that-may-do-everything";
    public const string ReadKey = "test-key-that-may-only-read-things";
    public const string SubmitKey = "test-key-that-may-only-submit-runs";
    public const string CancelKey = "test-key-that-may-only-cancel-runs";
    public const string AdminKey = "test-key-of-an-administrator-here";

    public DoorRig(FrontDoorOptions? options = null, params IReadOnlyList<IEndpoints> more)
    {
        Blobs = new(Time);
        Core = new(
            new OzPorts { StoreId = "memory", Blobs = Blobs, Bell = new InMemoryBell(Time), HostLock = new InMemoryHostLock(Time), Publishers = [], Time = Time },
            new(),
            NullLoggerFactory.Instance);
        Door = new(Core, (options ?? new() { Keys = [] }) with { Keys = Keys }, NullLoggerFactory.Instance, more);
    }

    public static IReadOnlyList<ApiKey> Keys { get; } =
    [
        new("all", KeyText.Hash(Key), KeyScopes.All),
        new("reader", KeyText.Hash(ReadKey), KeyScopes.Read),
        new("submitter", KeyText.Hash(SubmitKey), KeyScopes.Submit),
        new("canceller", KeyText.Hash(CancelKey), KeyScopes.Cancel),
        new("administrator", KeyText.Hash(AdminKey), KeyScopes.Admin),
    ];

    /// <summary>No two looks at it fall into one millisecond: runs made one after the other have an order.</summary>
    public TimeProvider Time { get; } = new DistinctTime();

    public InMemoryBlobStore Blobs { get; }

    public OzCore Core { get; }

    public FrontDoor Door { get; }

    public Task<DoorAnswer> GetAsync(string target, string? key = Key) => SendAsync("GET", target, key: key);

    public Task<DoorAnswer> PostAsync(string target, string json, string? key = Key) => SendAsync("POST", target, json, key);

    /// <param name="answer">Takes the answer's body, for who looks at it meanwhile; null: one of its own does.</param>
    public async Task<DoorAnswer> SendAsync(string method, string target, string? json = null, string? key = Key, Action<HttpRequest>? change = null, MemoryStream? answer = null)
    {
        using var own = new MemoryStream();
        var body = answer ?? own;
        var context = new DefaultHttpContext();
        var parts = target.Split('?', 2);
        var request = context.Request;
        request.Method = method;
        request.Scheme = "http";
        request.Host = new("127.0.0.1:7007");
        request.Path = PathString.FromUriComponent(parts[0]);
        request.QueryString = new(parts.Length == 2 ? "?" + parts[1] : "");
        context.Features.Get<IHttpRequestFeature>()!.RawTarget = target;
        if (key is not null)
        {
            request.Headers.Authorization = "Bearer " + key;
        }

        if (json is not null)
        {
            var bytes = Encoding.UTF8.GetBytes(json);
            request.ContentType = "application/json";
            request.ContentLength = bytes.Length;
            request.Body = new MemoryStream(bytes);
        }

        change?.Invoke(request);
        context.Response.Body = body;
        await Door.InvokeAsync(context);
        DescribedAnswers.Check(Door.Routes, method, target, context.Response.StatusCode);
        return new(context.Response.StatusCode, context.Response.Headers, body.ToArray());
    }
}

/// <summary>The real clock, a little ahead where somebody looks at it several times within a millisecond.</summary>
internal sealed class DistinctTime : TimeProvider
{
    private long _last;

    public override DateTimeOffset GetUtcNow()
    {
        var now = base.GetUtcNow().ToUnixTimeMilliseconds();
        long last, next;
        do
        {
            last = Interlocked.Read(ref _last);
            next = Math.Max(last + 1, now);
        }
        while (Interlocked.CompareExchange(ref _last, next, last) != last);

        return DateTimeOffset.FromUnixTimeMilliseconds(next);
    }
}

/// <summary>What came back.</summary>
internal sealed record DoorAnswer(int Status, IHeaderDictionary Headers, byte[] Body)
{
    public string Text => Encoding.UTF8.GetString(Body);

    public JsonElement Json => JsonDocument.Parse(Body).RootElement;

    /// <summary>The problem's code, last part of its type.</summary>
    public string Code => Json.GetProperty("type").GetString()!["/problems/".Length..];

    public DoorAnswer Is(int status)
    {
        Assert.True(Status == status, $"{Status}, expected {status}\n{Text}");
        return this;
    }
}
