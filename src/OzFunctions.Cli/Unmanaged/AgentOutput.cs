using OzFunctions.Shim.Protocol;

namespace OzFunctions.Cli.Unmanaged;

/// <summary>Passes the agent's bytes on as they come. A reader that went away takes nothing from the run: its log goes on.</summary>
internal sealed class AgentOutput(Stream output, Stream error) : IDisposable
{
    private bool _outGone;
    private bool _errorGone;

    public void Write(SpoolStream stream, ReadOnlyMemory<byte> bytes)
    {
        if (stream == SpoolStream.AgentErr)
        {
            Write(error, bytes, ref _errorGone);
        }
        else
        {
            Write(output, bytes, ref _outGone);
        }
    }

    public void Dispose()
    {
        output.Dispose();
        error.Dispose();
    }

    private static void Write(Stream stream, ReadOnlyMemory<byte> bytes, ref bool gone)
    {
        if (gone)
        {
            return;
        }

        try
        {
            stream.Write(bytes.Span);
            stream.Flush();
        }
        catch (IOException)
        {
            gone = true;
        }
    }
}
