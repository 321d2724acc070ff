using OzFunctions.Blobs;
using OzFunctions.Testing;

namespace OzFunctions.Direct.Tests.Logs;

/// <summary>A store whose appends fail as told; the rest goes to the one inside.</summary>
internal sealed class FaultyStore(IBlobStore inner, Func<Exception?> before, Func<Exception?> after) : WrappedBlobStore(inner)
{
    public override async Task<bool> TryAppendAsync(string name, long offset, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        if (before() is { } refusal)
        {
            throw refusal;
        }

        var done = await Inner.TryAppendAsync(name, offset, content, cancellationToken);
        return after() is { } loss ? throw loss : done;
    }
}
