using OzFunctions.Blobs;

namespace OzFunctions.Cli.Desks;

/// <summary>The body of a front door's answer. A way that breaks off, or brings nothing for a minute, is a sentence about the way: an <see cref="IOException"/> would look like the reader's own disk.</summary>
internal sealed class RemoteContent(Stream content, RemoteCalls calls, TimeProvider time) : ForwardStream
{
    private static readonly TimeSpan MostQuiet = TimeSpan.FromMinutes(1);

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var quiet = new CancellationTokenSource(MostQuiet, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(quiet.Token, cancellationToken);
        try
        {
            return await content.ReadAsync(buffer, either.Token);
        }
        catch (Exception ex) when (RemoteCalls.IsOutage(ex, cancellationToken))
        {
            throw calls.BrokenOff(ex);
        }
    }

    public override ValueTask DisposeAsync() => content.DisposeAsync();
}
