using Azure;
using Polly;
using Polly.Retry;
using Polly.Timeout;

namespace OzFunctions.AzureStorage;

/// <summary>
/// One call with its tries: repeated with jitter on throttling and network faults, never on a failed condition, and bounded in time as a whole.
/// A refusal that follows a try without an answer may be our own success; <see cref="StorageTry.AnswerMayBeLost"/> says so, and the caller reads back.
/// </summary>
internal sealed class StorageCalls
{
    private static readonly ResiliencePropertyKey<StorageTry> Key = new("try");
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    private readonly string _host;
    private readonly string _setting;
    private readonly ResiliencePipeline _small;
    private readonly ResiliencePipeline _large;

    public StorageCalls(string host, StorageAccountOptions options, TimeProvider time)
    {
        (_host, _setting) = (host, options.Setting);
        _small = Build(options, options.TryTimeout, options.CallTimeout, time);
        _large = Build(options, options.BlockTimeout / 2, options.BlockTimeout, time);
    }

    /// <summary>A call that moves little.</summary>
    public Task<T> RunAsync<T>(Func<StorageTry, CancellationToken, Task<T>> call, CancellationToken cancellationToken) => RunAsync(_small, call, cancellationToken);

    /// <summary>A call that moves a block of an artifact.</summary>
    public Task<T> RunLargeAsync<T>(Func<StorageTry, CancellationToken, Task<T>> call, CancellationToken cancellationToken) => RunAsync(_large, call, cancellationToken);

    /// <summary>A small read on this thread.</summary>
    public T Run<T>(Func<CancellationToken, T> call)
    {
        try
        {
            return _small.Execute(call, CancellationToken.None);
        }
        catch (Exception ex) when (StorageFaults.IsFault(ex, CancellationToken.None))
        {
            throw StorageFaults.From(ex, _host, _setting, earlier: null);
        }
    }

    private async Task<T> RunAsync<T>(ResiliencePipeline pipeline, Func<StorageTry, CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var context = ResilienceContextPool.Shared.Get(cancellationToken);
        var tries = new StorageTry();
        context.Properties.Set(Key, tries);
        try
        {
            return await pipeline.ExecuteAsync(static async (inner, state) => await state.call(state.tries, inner.CancellationToken), context, (call, tries));
        }
        catch (Exception ex) when (StorageFaults.IsFault(ex, cancellationToken))
        {
            throw StorageFaults.From(ex, _host, _setting, tries.Last);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    private static ResiliencePipeline Build(StorageAccountOptions options, TimeSpan aTry, TimeSpan whole, TimeProvider time) =>
        new ResiliencePipelineBuilder { TimeProvider = time }
            .AddTimeout(whole)
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = arguments => ValueTask.FromResult(arguments.Outcome.Exception is { } ex && StorageFaults.IsTransient(ex)),
                MaxRetryAttempts = options.Retries,
                Delay = options.RetryAfter,
                MaxDelay = LongestPause,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                DelayGenerator = arguments => ValueTask.FromResult(StorageFaults.FindRetryAfter(arguments.Outcome.Exception, LongestPause)),
                OnRetry = arguments =>
                {
                    if (arguments.Context.Properties.TryGetValue(Key, out var tries))
                    {
                        tries.Note(arguments.Outcome.Exception!);
                    }

                    return default;
                },
            })
            .AddTimeout(aTry)
            .Build();
}

/// <summary>What a try of a call knows of those before it.</summary>
internal sealed class StorageTry
{
    /// <summary>The fault of the last try; null: this is the first.</summary>
    public Exception? Last { get; private set; }

    /// <summary>An earlier try may have reached the store without our hearing of it.</summary>
    public bool AnswerMayBeLost => Last is not null;

    public void Note(Exception exception) => Last = exception;
}
