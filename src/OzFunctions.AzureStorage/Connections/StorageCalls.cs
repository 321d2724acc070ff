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
    private readonly StorageAccountOptions _options;
    private readonly ResiliencePipeline _pipeline;

    public StorageCalls(string host, StorageAccountOptions options, TimeProvider time)
    {
        (_host, _setting, _options) = (host, options.Setting, options);
        _pipeline = Build(options, time);
    }

    /// <summary>A call that moves little.</summary>
    public Task<T> RunAsync<T>(Func<StorageTry, CancellationToken, Task<T>> call, CancellationToken cancellationToken) => RunAsync(CallTimes.OfLittle(_options), call, cancellationToken);

    /// <summary>A call that moves a piece of a log.</summary>
    public Task<T> RunAsync<T>(long bytes, Func<StorageTry, CancellationToken, Task<T>> call, CancellationToken cancellationToken) =>
        RunAsync(CallTimes.OfBytes(_options, bytes), call, cancellationToken);

    /// <summary>A call that moves a block of an artifact.</summary>
    /// <param name="bytes">All that share the line with it, its own among them.</param>
    public Task<T> RunLargeAsync<T>(long bytes, Func<StorageTry, CancellationToken, Task<T>> call, CancellationToken cancellationToken) =>
        RunAsync(CallTimes.OfBlock(_options, bytes), call, cancellationToken);

    /// <summary>A small read on this thread.</summary>
    public T Run<T>(Func<CancellationToken, T> call)
    {
        try
        {
            return _pipeline.Execute(call, CancellationToken.None);
        }
        catch (Exception ex) when (StorageFaults.IsFault(ex, CancellationToken.None))
        {
            throw StorageFaults.From(ex, _host, _setting, earlier: null);
        }
    }

    private async Task<T> RunAsync<T>(CallTimes times, Func<StorageTry, CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var context = ResilienceContextPool.Shared.Get(cancellationToken);
        var tries = new StorageTry(times);
        context.Properties.Set(Key, tries);
        try
        {
            return await _pipeline.ExecuteAsync(static async (inner, state) => await state.call(state.tries, inner.CancellationToken), context, (call, tries));
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

    private static ResiliencePipeline Build(StorageAccountOptions options, TimeProvider time) =>
        new ResiliencePipelineBuilder { TimeProvider = time }
            .AddTimeout(new TimeoutStrategyOptions { TimeoutGenerator = arguments => new(TimesOf(arguments, options).Whole) })
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
            .AddTimeout(new TimeoutStrategyOptions { TimeoutGenerator = arguments => new(TimesOf(arguments, options).Try) })
            .Build();

    private static CallTimes TimesOf(TimeoutGeneratorArguments arguments, StorageAccountOptions options) =>
        arguments.Context.Properties.TryGetValue(Key, out var tries) ? tries.Times : CallTimes.OfLittle(options);
}

/// <summary>What a try of a call knows of those before it.</summary>
internal sealed class StorageTry(CallTimes times)
{
    public CallTimes Times => times;

    /// <summary>The fault of the last try; null: this is the first.</summary>
    public Exception? Last { get; private set; }

    /// <summary>An earlier try may have reached the store without our hearing of it.</summary>
    public bool AnswerMayBeLost => Last is not null;

    public void Note(Exception exception) => Last = exception;
}
