namespace OzFunctions.Blobs;

/// <summary>The store did not do what was asked: unreachable, full, refused. The message says what to do; the original is inside.</summary>
public sealed class BlobStoreException(string message, bool isTransient, Exception? inner) : Exception(message, inner)
{
    /// <summary>Whether the same call may go through later without anyone doing anything.</summary>
    public bool IsTransient { get; } = isTransient;

    /// <summary>Whether the store refuses whatever it is asked until somebody puts it right (a key, a role, a login, a disk that became read-only). Default: false.</summary>
    public bool RefusesAll { get; init; }

    /// <summary>Whether nothing is wrong with the blob that it was thrown for: what is to be stored waits for the store, however long.</summary>
    public bool IsOutage => IsTransient || RefusesAll;
}
