using System.Runtime.InteropServices;
using OzFunctions.Hosts;

namespace OzFunctions.Cli.Workers;

/// <summary>SIGTERM and SIGINT of a worker host: the first drains or detaches, the second stops runs now, the third ends the process as it is.</summary>
internal sealed class HostStop : IDisposable
{
    private readonly WorkerHost _host;
    private readonly WorkerSetup _setup;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _over = new();
    private readonly IDisposable[] _registrations;
    private int _signals;

    private HostStop(WorkerHost host, WorkerSetup setup, TimeProvider time)
    {
        (_host, _setup, _time) = (host, setup, time);
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGTERM, Obey), PosixSignalRegistration.Create(PosixSignal.SIGINT, Obey)];
    }

    public static IDisposable Listen(WorkerHost host, WorkerSetup setup, TimeProvider time) => new HostStop(host, setup, time);

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }

        _over.Cancel();
        _over.Dispose();
    }

    private void Obey(PosixSignalContext signal)
    {
        var count = Interlocked.Increment(ref _signals);
        signal.Cancel = count <= 2;
        switch (count)
        {
            case 1 when _setup.Behaviour.Detach:
                _host.Detach();
                break;
            case 1 when _setup.Behaviour.Once && _host.RunningCount > 0:
                // It drains already, without a limit; from now on the run has the drain time.
                _ = StopLaterAsync();
                break;
            case <= 2:
                _host.Drain();
                break;
        }
    }

    private async Task StopLaterAsync()
    {
        await Task.Delay(_setup.Behaviour.DrainTimeout, _time, _over.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!_over.IsCancellationRequested)
        {
            _host.Drain();
        }
    }
}
