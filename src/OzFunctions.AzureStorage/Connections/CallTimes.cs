namespace OzFunctions.AzureStorage;

/// <summary>How long one try of a call may take, and how long all of them with their pauses, in which two tries have room.</summary>
internal readonly record struct CallTimes(TimeSpan Try, TimeSpan Whole)
{
    /// <summary>Of the slowest line that is waited for. What it cannot carry in the time of a try begins anew at each, for ever.</summary>
    private const double BytesPerSecond = 32 << 10;

    public static CallTimes OfLittle(StorageAccountOptions options) => new(options.TryTimeout, options.CallTimeout);

    public static CallTimes OfBytes(StorageAccountOptions options, long bytes)
    {
        var carried = TimeSpan.FromSeconds(bytes / BytesPerSecond);
        return new(options.TryTimeout + carried, options.CallTimeout + (2 * carried));
    }

    /// <summary>What is small has the time of a block all the same.</summary>
    public static CallTimes OfBlock(StorageAccountOptions options, long bytes)
    {
        var (aTry, whole) = OfBytes(options, bytes);
        return new(Longer(aTry, options.BlockTimeout / 2), Longer(whole, options.BlockTimeout));
    }

    private static TimeSpan Longer(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
