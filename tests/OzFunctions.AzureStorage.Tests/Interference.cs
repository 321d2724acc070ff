using Azure;
using Azure.Core;
using Azure.Core.Pipeline;

namespace OzFunctions.AzureStorage.Tests;

/// <summary>Sits between the SDK and the network: counts requests, swallows answers of requests that were carried out, or answers for a service that is busy.</summary>
internal sealed class Interference : HttpPipelinePolicy
{
    private readonly Lock _lock = new();
    private readonly List<string> _seen = [];
    private Func<Request, bool> _swallow = _ => false;
    private int _swallowed;
    private int _busy;
    private volatile Func<Request, Task> _hold = _ => Task.CompletedTask;

    /// <summary>The page that everybody gets with 200, as from a proxy that wants a login; null: requests go to the service.</summary>
    public string? Page { get; set; }

    /// <summary>Methods and paths of all requests so far.</summary>
    public IReadOnlyList<string> Seen
    {
        get
        {
            lock (_lock)
            {
                return [.. _seen];
            }
        }
    }

    /// <summary>The answer to the next such request is lost after the service has carried it out.</summary>
    public void SwallowNext(Func<Request, bool> which, int times = 1)
    {
        lock (_lock)
        {
            (_swallow, _swallowed) = (which, times);
        }
    }

    /// <summary>Such requests wait from now on until the answer is completed; its <c>Held</c> completes when so many do.</summary>
    public (Task Held, TaskCompletionSource Release) HoldBack(Func<Request, bool> which, int held)
    {
        var (all, release) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        var left = held;
        _hold = request =>
        {
            if (!which(request))
            {
                return Task.CompletedTask;
            }

            if (Interlocked.Decrement(ref left) == 0)
            {
                all.TrySetResult();
            }

            return release.Task;
        };
        return (all.Task, release);
    }

    /// <summary>So many requests from now on get 503 and do not reach the service.</summary>
    public void BeBusy(int times)
    {
        lock (_lock)
        {
            _busy = times;
        }
    }

    public override void Process(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline) => throw new NotSupportedException();

    public override async ValueTask ProcessAsync(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline)
    {
        lock (_lock)
        {
            _seen.Add($"{message.Request.Method} {message.Request.Uri.ToUri().PathAndQuery}");
            if (_busy > 0)
            {
                _busy--;
                throw new RequestFailedException(503, "Server busy", "ServerBusy", null);
            }
        }

        if (Page is { } page)
        {
            message.Response = new CannedAnswer("text/html", page);
            return;
        }

        await _hold(message.Request).WaitAsync(message.CancellationToken);
        await ProcessNextAsync(message, pipeline);
        lock (_lock)
        {
            if (_swallowed > 0 && message.Response.Status < 300 && _swallow(message.Request))
            {
                _swallowed--;
                throw new IOException("The connection was closed before the answer came.");
            }
        }
    }
}
