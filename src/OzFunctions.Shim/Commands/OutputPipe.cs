using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Commands;

/// <summary>The read end of a command's stdout or stderr, pumped into the spool.</summary>
internal sealed unsafe class OutputPipe(int descriptor, SpoolStream stream, SpoolWriter spool)
{
    // Enough to keep up, few enough that other descriptors get their turn.
    private const int ReadsPerTurn = 16;

    public int Descriptor { get; private set; } = descriptor;

    public bool Ended => Descriptor < 0;

    /// <summary>Reads what is there; answers how many bytes came.</summary>
    public long Pump()
    {
        var bytes = 0L;
        for (var i = 0; i < ReadsPerTurn && !Ended; i++)
        {
            var room = spool.Room;
            nint count;
            fixed (byte* start = room)
            {
                count = Libc.Read(Descriptor, start, room.Length);
            }

            if (count > 0)
            {
                bytes += count;
                try
                {
                    spool.Commit(stream, (int)count);
                }
                catch (IOException)
                {
                    // The disk is full or broken: the command goes on, and the spool says what is missing.
                }
            }
            else if (count == 0 || Libc.Errno is not (Libc.EAgain or Libc.EIntr))
            {
                Close();
            }
            else if (Libc.Errno == Libc.EAgain)
            {
                break;
            }
        }

        return bytes;
    }

    public void Close()
    {
        if (!Ended)
        {
            _ = Libc.Close(Descriptor);
            Descriptor = -1;
        }
    }
}
