using System.Net.Sockets;
using System.Runtime.InteropServices;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>Connects to the socket of a private directory, however long its path is.</summary>
internal static class ShimSocket
{
    /// <summary>Null when nobody listens there, or whoever does accepts no more.</summary>
    public static Socket? TryConnect(string privateDirectory)
    {
        var directory = ShimLibc.Open(privateDirectory, ShimLibc.DirectoryFlag | ShimLibc.CloseOnExec, 0);
        if (directory < 0)
        {
            return null;
        }

        // A shim that accepts nothing any more fills its queue: a wait for room there would never end.
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint($"/proc/self/fd/{directory}/{ShimProtocol.SocketFile}"));
            if (!IsTrusted(socket))
            {
                throw new ShimException($"The socket in {privateDirectory} belongs to another user.");
            }

            return socket;
        }
        catch (SocketException)
        {
            socket.Dispose();
            return null;
        }
        catch (ShimException)
        {
            socket.Dispose();
            throw;
        }
        finally
        {
            _ = ShimLibc.Close(directory);
        }
    }

    private static bool IsTrusted(Socket socket)
    {
        const int SocketLevel = 1;
        const int PeerCredentials = 17;
        Span<byte> peer = stackalloc byte[12];
        _ = socket.GetRawSocketOption(SocketLevel, PeerCredentials, peer);
        var user = MemoryMarshal.Read<uint>(peer[4..]);
        return user == 0 || user == ShimLibc.GetUser();
    }
}
