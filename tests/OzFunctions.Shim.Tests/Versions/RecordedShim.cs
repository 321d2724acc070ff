using System.Buffers.Binary;
using System.Net.Sockets;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Tests.Versions;

/// <summary>
/// Says to a host, byte for byte, what a real shim of an earlier version said, and notes where the host's words differ from those that a host of that version said to it.
/// The file was recorded from the programs of that version and is never made anew.
/// </summary>
internal sealed class RecordedShim : IAsyncDisposable
{
    private const byte Renew = 5;
    private readonly FileStream _lock;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly List<(bool ByShim, byte[] Frame)> _recorded;
    private readonly List<string> _differences = [];
    private readonly Task _playing;

    public RecordedShim(string directory, string recording, Func<byte[], byte[]>? alter = null)
    {
        // Held as a living shim holds it.
        _lock = new FileStream(Path.Combine(directory, ShimProtocol.LockFile), FileMode.Create, FileAccess.ReadWrite, FileShare.None);
        using var stream = typeof(RecordedShim).Assembly.GetManifestResourceStream(recording) ?? throw new InvalidOperationException($"{recording} is no resource.");
        using var reader = new StreamReader(stream);
        _recorded = [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' '))
            .Select(line => (line[0] == "shim", line[0] == "shim" && alter is not null ? alter(Convert.FromHexString(line[1])) : Convert.FromHexString(line[1])))];
        _listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(directory, ShimProtocol.SocketFile)));
        _listener.Listen();
        _playing = PlayAsync();
    }

    /// <summary>Ends when the conversation is over; answers what the host said otherwise than recorded.</summary>
    public async Task<IReadOnlyList<string>> DifferencesAsync()
    {
        await _playing.WaitAsync(ShimRig.Cancellation);
        return _differences;
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _playing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _lock.Dispose();
    }

    private async Task PlayAsync()
    {
        using var host = await _listener.AcceptAsync();
        foreach (var (byShim, frame) in _recorded)
        {
            if (byShim)
            {
                await host.SendAsync(frame);
            }
            else
            {
                Compare(frame, await ReadAsync(host));
            }
        }

        // A shim that has ended frees its lock with its connections.
        _lock.Dispose();
    }

    private void Compare(byte[] recorded, byte[] said)
    {
        // The deadline of a renewal is an instant of its own.
        const int Kind = 4;
        const int Header = 9;
        var compared = recorded[Kind] == Renew ? Header : Math.Max(recorded.Length, said.Length);
        if (recorded.Length != said.Length || !recorded.AsSpan(0, compared).SequenceEqual(said.AsSpan(0, compared)))
        {
            _differences.Add($"recorded {Convert.ToHexString(recorded)}, said {Convert.ToHexString(said)}");
        }
    }

    private static async Task<byte[]> ReadAsync(Socket host)
    {
        var length = new byte[4];
        await ReadExactlyAsync(host, length);
        var rest = new byte[BinaryPrimitives.ReadInt32LittleEndian(length)];
        await ReadExactlyAsync(host, rest);
        return [.. length, .. rest];
    }

    private static async Task ReadExactlyAsync(Socket host, Memory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var count = await host.ReceiveAsync(bytes);
            bytes = count > 0 ? bytes[count..] : throw new EndOfStreamException("The host hung up.");
        }
    }
}
