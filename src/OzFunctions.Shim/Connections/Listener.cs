using System.Text;
using OzFunctions.Shim.Native;

namespace OzFunctions.Shim.Connections;

/// <summary>The socket <c>s</c> in the private directory, for this user and root.</summary>
internal sealed unsafe class Listener
{
    private const int Unix = 1;
    private const int Stream = 1;

    private Listener(int descriptor) => Descriptor = descriptor;

    public int Descriptor { get; }

    /// <summary>Binds by way of the directory's descriptor, so that no path is too long.</summary>
    public static Listener Open(int directory)
    {
        fixed (byte* name = "s\0"u8)
        {
            _ = Libc.UnlinkAt(directory, name, 0);
        }

        var socket = Libc.Socket(Unix, Stream | Libc.OCloseOnExec | Libc.ONonBlock, 0);
        var address = stackalloc byte[110];
        new Span<byte>(address, 110).Clear();
        address[0] = Unix;
        var length = Encoding.ASCII.GetBytes($"/proc/self/fd/{directory}/s", new Span<byte>(address + 2, 107));
        if (socket < 0 || Libc.Bind(socket, address, (uint)(2 + length + 1)) != 0 || Libc.Listen(socket, 16) != 0)
        {
            throw new StartException($"The socket cannot be made: {Libc.Explain(Libc.Errno)}");
        }

        return new Listener(socket);
    }

    /// <summary>The next connection; null when there is none, or its other end is a stranger.</summary>
    public Connection? Accept()
    {
        var descriptor = Libc.Accept(Descriptor, null, null, Libc.OCloseOnExec | Libc.ONonBlock);
        if (descriptor < 0)
        {
            return null;
        }

        var peer = stackalloc int[3];
        var size = (uint)(3 * sizeof(int));
        if (Libc.GetSocketOption(descriptor, 1, 17, (byte*)peer, &size) == 0 && ((uint)peer[1] == 0 || (uint)peer[1] == Libc.GetUser()))
        {
            return new Connection(descriptor);
        }

        _ = Libc.Close(descriptor);
        return null;
    }
}
