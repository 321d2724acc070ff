using System.Globalization;
using System.Net.Sockets;
using OzFunctions.Direct.Posix;
using OzFunctions.Local;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Shims;

/// <summary>The shims of this machine: launched by their own process start, found again by lock and socket.</summary>
public sealed class Shims(ShimBinary binary, TimeProvider time) : IShims
{
    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(2);
    private static readonly TimeSpan LongPause = TimeSpan.FromMilliseconds(100);

    // Ten seconds: a machine out of memory or processor time takes long to let a process go.
    private const int MostLooks = 5_000;
    private readonly ShimReaper _reaper = new();

    public async Task<IShimSession> LaunchAsync(ShimLaunch launch, CancellationToken cancellationToken)
    {
        _reaper.ReapAll();
        if (launch.Teardown is { } teardown)
        {
            ShimCommandCheck.Check(teardown);
        }

        if (ReadStatus(launch.PrivateDirectory)?.Commands.Count > 0)
        {
            throw new ShimException($"A shim has run commands in {launch.PrivateDirectory} before; another one would not know of them.");
        }

        var orders = new MessageWriter(ShimMessage.Launch, 0)
            .Int32(ShimProtocol.Version)
            .Int64(ShimLibc.SinceBoot + (long)launch.Lease.TotalMilliseconds)
            .Int64(launch.SpoolBytes)
            .Int32((launch.Teardown is null ? 0 : ShimProtocol.HasTeardown) | (launch.EndsWithHost ? ShimProtocol.EndsWithHost : 0));
        if (launch.Teardown is not null)
        {
            orders.Command(launch.Teardown);
        }

        orders.Limits(launch.Limits).User(launch.User);

        var (pid, socket) = ShimProcess.Start(binary.Path, launch.PrivateDirectory);
        _reaper.Add(pid);
        var connection = new ShimConnection(socket);
        try
        {
            using var deadline = new CancellationTokenSource(ReadyWithin, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
            await connection.SendAsync(orders, either.Token);
            var status = await ReceiveStatusAsync(connection, either.Token);
            return new ShimSession(connection, status, launch.PrivateDirectory, time, () => ReapAsync(pid));
        }
        catch (Exception ex) when (ex is OperationCanceledException or ShimException or SocketException or InvalidDataException)
        {
            // Nothing was started under it, and its pid is ours until it is waited for.
            connection.Dispose();
            if (!_reaper.Reap(pid))
            {
                _ = ShimLibc.Kill(pid, ShimLibc.SigKill);
                await ReapAsync(pid);
            }

            cancellationToken.ThrowIfCancellationRequested();
            throw new ShimException($"The shim {binary.Path} did not come to be ready: {Reason(ex, launch.PrivateDirectory)}", ex);
        }
    }

    public async Task<IShimSession?> TryAttachAsync(string privateDirectory, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(AnswerWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            // Held a moment before the socket is there, and a moment after it is gone.
            while (ShimLock.IsHeld(privateDirectory) is var locked && (locked || ShimHolder.IsThereWithoutLock(privateDirectory)))
            {
                if (ShimSocket.TryConnect(privateDirectory) is { } socket)
                {
                    if (await TryGreetAsync(new ShimConnection(socket), either.Token) is ({ } connection, { } status))
                    {
                        return new ShimSession(connection, status, privateDirectory, time, () => ReapAsync(status.Pid));
                    }
                }

                // Without the lock every process of the machine is asked.
                await Task.Delay(locked ? Pause : LongPause, time, either.Token);
            }

            return null;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ShimException($"The shim{(Identify(privateDirectory) is { } shim ? string.Create(CultureInfo.InvariantCulture, $" (pid {shim.Pid})") : "")} of {privateDirectory} lives and does not answer.");
        }
    }

    public ShimStatus? ReadStatus(string privateDirectory) => ShimStatusFile.Read(privateDirectory);

    public ShimStatus? Identify(string privateDirectory)
    {
        var left = ShimStatusFile.Find(privateDirectory);
        return ShimHolder.Find(privateDirectory) is { } holder && !(holder.Pid == left?.Pid && holder.StartTicks == left.StartTicks) ? holder : left ?? ShimHolder.FindOrphans(privateDirectory);
    }

    public void Continue(string privateDirectory, ShimStatus? known) => Signal(privateDirectory, known, ShimLibc.SigContinue);

    public void Kill(string privateDirectory, ShimStatus? known) => Signal(privateDirectory, known, ShimLibc.SigKill);

    public Task<int> SweepAsync(string privateDirectory, CancellationToken cancellationToken) => SweepAsync(privateDirectory, known: null, cancellationToken);

    public async Task<int> SweepAsync(string privateDirectory, ShimStatus? known, CancellationToken cancellationToken)
    {
        _reaper.ReapAll();
        if ((known ?? ReadStatus(privateDirectory) ?? ShimHolder.Find(privateDirectory)) is not { } status)
        {
            return await SweepOrphansAsync(privateDirectory, cancellationToken);
        }

        // A shim that has just said goodbye, or was just shot, holds its lock for an instant more.
        for (var i = 0; ShimLock.IsHeld(privateDirectory); i++)
        {
            if (i == MostLooks)
            {
                throw new ShimException($"The shim of {privateDirectory} (pid {status.Pid}) does not end, so what it ran cannot be proved to be over.");
            }

            await Task.Delay(Pause, time, cancellationToken);
        }

        return await new ShimSweep(privateDirectory, status, time).RunAsync(cancellationToken);
    }

    /// <summary>A run removed the status and then its shim died: by what its processes were given.</summary>
    private async Task<int> SweepOrphansAsync(string privateDirectory, CancellationToken cancellationToken)
    {
        var ended = 0;
        while (ShimHolder.FindOrphans(privateDirectory) is { } orphans)
        {
            ended += await new ShimSweep(privateDirectory, orphans, time).RunAsync(cancellationToken);
        }

        return ended;
    }

    private void Signal(string privateDirectory, ShimStatus? known, int signal)
    {
        if ((known ?? Identify(privateDirectory)) is not { } status || status.BootId != BootId.Current)
        {
            return;
        }

        var process = ShimLibc.OpenProcess(status.Pid);
        if (process < 0)
        {
            return;
        }

        // Asked with the descriptor in hand: the pid may have got another owner since.
        if (ProcessStat.Find(status.Pid) is { } stat && stat.StartTicks == status.StartTicks)
        {
            _ = ShimLibc.SignalProcess(process, signal);
        }

        _ = ShimLibc.Close(process);
    }

    /// <summary>The first word of every shim: what it knows, and which version of our language it speaks.</summary>
    private static async Task<ShimStatus> ReceiveStatusAsync(ShimConnection connection, CancellationToken cancellationToken)
    {
        var bytes = await connection.ReceiveAsync(cancellationToken) ?? throw new ShimException("it ended at once");
        var message = MessageReader.Open(bytes);
        if (message.Kind != ShimMessage.Status)
        {
            throw new ShimException(message.Kind == ShimMessage.Refused ? message.RequiredText() : "it does not speak our language");
        }

        var status = ShimStatusJson.Read(message.Bytes());
        return status.Version is >= ShimProtocol.OldestVersion and <= ShimProtocol.Version
            ? status
            : throw new ShimException($"The shim speaks version {status.Version}, this host {ShimProtocol.OldestVersion} to {ShimProtocol.Version}.");
    }

    /// <summary>Null when it went away meanwhile; the connection is closed then, as it is when the shim is not understood.</summary>
    private static async Task<(ShimConnection Connection, ShimStatus Status)?> TryGreetAsync(ShimConnection connection, CancellationToken cancellationToken)
    {
        var understood = false;
        try
        {
            // It is greeted in its own version: what is asked of a running shim is the same in both.
            var status = await ReceiveStatusAsync(connection, cancellationToken);
            await connection.SendAsync(new MessageWriter(ShimMessage.Hello, 0).Int32(status.Version), cancellationToken);
            understood = true;
            return (connection, status);
        }
        catch (Exception ex) when (ex is SocketException or ShimException { Message: "it ended at once" })
        {
            return null;
        }
        finally
        {
            if (!understood)
            {
                connection.Dispose();
            }
        }
    }

    /// <summary>Takes in a shim that closed its connection; one that another process launched is not ours to wait for.</summary>
    private async Task ReapAsync(int pid)
    {
        for (var i = 0; i < 1_000 && !_reaper.Reap(pid); i++)
        {
            await Task.Delay(Pause, time, CancellationToken.None);
        }
    }

    private static string Reason(Exception ex, string privateDirectory)
    {
        if (ex is ShimException and not { Message: "it ended at once" })
        {
            return ex.Message;
        }

        var log = Path.Combine(privateDirectory, ShimProtocol.LogFile);
        var said = "";
        try
        {
            said = System.Text.Encoding.UTF8.GetString(RegularFile.ReadAll(log)).Trim();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // It wrote none, or a run put something else there.
        }

        return said.Length > 0 ? said[^Math.Min(said.Length, 2_000)..] : ex is OperationCanceledException ? "it said nothing in time" : ex.Message;
    }
}
