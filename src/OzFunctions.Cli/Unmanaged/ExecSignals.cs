using System.Runtime.InteropServices;
using OzFunctions.Hosts;

namespace OzFunctions.Cli.Unmanaged;

/// <summary>Ctrl-C, SIGTERM and a closed terminal: the first asks the agent to stop, the second ends it now, the third ends this process, and its shim the agent.</summary>
internal sealed class ExecSignals : IDisposable
{
    private readonly CancellationTokenSource _hard = new();
    private readonly IDisposable[] _registrations;
    private UnmanagedHost? _host;
    private int _count;

    public ExecSignals() => _registrations = [Listen(PosixSignal.SIGINT), Listen(PosixSignal.SIGTERM), Listen(PosixSignal.SIGHUP)];

    /// <summary>Fires with the second signal.</summary>
    public CancellationToken Hard => _hard.Token;

    /// <summary>Somebody asked the agent to stop.</summary>
    public bool Asked => Volatile.Read(ref _count) > 0;

    /// <summary>Whom a signal is for; one that came before is told at once.</summary>
    public void Attach(UnmanagedHost host)
    {
        Volatile.Write(ref _host, host);
        if (Volatile.Read(ref _count) > 0)
        {
            host.Stop();
        }
    }

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }

        _hard.Dispose();
    }

    private PosixSignalRegistration Listen(PosixSignal signal) => PosixSignalRegistration.Create(signal, Obey);

    private void Obey(PosixSignalContext context)
    {
        var count = Interlocked.Increment(ref _count);
        context.Cancel = count <= 2;
        if (count == 1)
        {
            Volatile.Read(ref _host)?.Stop();
        }
        else if (count == 2)
        {
            _hard.Cancel();
        }
    }
}
