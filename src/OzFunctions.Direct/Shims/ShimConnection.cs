using System.Net.Sockets;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>Messages over one socket: questions get their answers, the rest goes to whoever listens.</summary>
internal sealed class ShimConnection(Socket socket) : IDisposable
{
    private readonly SemaphoreSlim _sending = new(1);
    private byte[] _buffer = new byte[16 << 10];
    private int _count;

    public async Task SendAsync(MessageWriter message, CancellationToken cancellationToken)
    {
        var bytes = message.ToArray();
        await _sending.WaitAsync(cancellationToken);
        try
        {
            // Not cancellable once begun: half a message would end the conversation.
            for (var sent = 0; sent < bytes.Length;)
            {
                sent += await socket.SendAsync(bytes.AsMemory(sent), SocketFlags.None, CancellationToken.None);
            }
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>The next message; null when the other side has gone.</summary>
    public async Task<byte[]?> ReceiveAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var length = MessageReader.Measure(_buffer.AsSpan(0, _count));
            if (length > 0)
            {
                var message = _buffer[..length];
                _buffer.AsSpan(length, _count - length).CopyTo(_buffer);
                _count -= length;
                return message;
            }

            if (_count == _buffer.Length)
            {
                Array.Resize(ref _buffer, _buffer.Length * 2);
            }

            try
            {
                var read = await socket.ReceiveAsync(_buffer.AsMemory(_count), SocketFlags.None, cancellationToken);
                if (read == 0)
                {
                    return null;
                }

                _count += read;
            }
            catch (Exception ex) when (ex is SocketException or ObjectDisposedException)
            {
                return null;
            }
        }
    }

    public void Dispose() => socket.Dispose();
}
