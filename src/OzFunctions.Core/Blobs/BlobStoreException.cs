namespace OzFunctions.Blobs;

/// <summary>The store did not do what was asked: unreachable, full, refused. The message says what to do; the original is inside.</summary>
public sealed class BlobStoreException(string message, bool isTransient, Exception? inner) : Exception(message, inner)
{
    /// <summary>Whether the same call may go through later without anyone doing anything.</summary>
    public bool IsTransient { get; } = isTransient;
}
