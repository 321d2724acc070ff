using System.Runtime.InteropServices;
using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Commands;

/// <summary>Where a command's stdout and stderr go: pipes to the spool, or for stdout a file.</summary>
internal sealed unsafe class CommandPipes
{
    private const int NoFollow = 0x20000;

    private CommandPipes(int outputEnd, int errorEnd, OutputPipe[] read)
    {
        OutputEnd = outputEnd;
        ErrorEnd = errorEnd;
        Read = read;
    }

    public int OutputEnd { get; }

    public int ErrorEnd { get; }

    public OutputPipe[] Read { get; }

    /// <summary>Null and the pipes, or why they cannot be had.</summary>
    public static SpawnResult? TryOpen(ShimCommand command, SpoolStream output, SpoolStream error, SpoolWriter spool, out CommandPipes? pipes)
    {
        pipes = null;
        var ends = stackalloc int[4];
        if (Libc.Pipe(ends + 2, Libc.OCloseOnExec) != 0)
        {
            return new SpawnResult(Libc.Errno, 0, $"No pipe can be had: {Libc.Explain(Libc.Errno)}");
        }

        if (command.StdoutFile is { } file)
        {
            ends[0] = -1;
            var noFollow = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : NoFollow;
            ends[1] = Libc.Open(file, Libc.OWriteOnly | Libc.OCreate | Libc.OTruncate | Libc.OCloseOnExec | noFollow, 0x180);
        }
        else if (Libc.Pipe(ends, Libc.OCloseOnExec) != 0)
        {
            ends[1] = -1;
        }

        if (ends[1] < 0)
        {
            var failed = Libc.Errno;
            _ = Libc.Close(ends[2]);
            _ = Libc.Close(ends[3]);

            // "No such file" is kept for a missing program.
            return new SpawnResult(failed == Libc.ENoEntry ? Libc.ENotDir : failed, 0, $"The output {command.StdoutFile} cannot be opened: {Libc.Explain(failed)}");
        }

        List<OutputPipe> read = [];
        if (ends[0] >= 0)
        {
            read.Add(Open(ends[0], output, spool));
        }

        read.Add(Open(ends[2], error, spool));
        pipes = new CommandPipes(ends[1], ends[3], [.. read]);
        return null;
    }

    /// <summary>The child has them now; kept here they would never end.</summary>
    public void CloseChildEnds()
    {
        _ = Libc.Close(OutputEnd);
        _ = Libc.Close(ErrorEnd);
    }

    private static OutputPipe Open(int descriptor, SpoolStream stream, SpoolWriter spool)
    {
        const int SetFlags = 4;
        _ = Libc.Control(descriptor, SetFlags, Libc.ONonBlock);
        return new OutputPipe(descriptor, stream, spool);
    }
}
