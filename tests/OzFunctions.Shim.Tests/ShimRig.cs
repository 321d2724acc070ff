using System.Runtime.InteropServices;
using System.Text;
using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;
using OzFunctions.Testing;

namespace OzFunctions.Shim.Tests;

/// <summary>A private directory with a shim in it; at the end everything that carries its tag must be gone.</summary>
internal sealed class ShimRig : IAsyncDisposable
{
    public static readonly string[] PlainEnvironment = ["PATH=/usr/local/bin:/usr/bin:/bin"];
    private readonly TempDirectory _temp = new();
    private readonly List<IShimSession> _sessions = [];
    private long _tag;

    public ShimRig(string privateName = "private")
    {
        PrivateDirectory = _temp.Sub(privateName);
        Workspace = _temp.Sub("workspace");
        Directory.CreateDirectory(PrivateDirectory);
        Directory.CreateDirectory(Workspace);
    }

    public static Direct.Shims.Shims Shims { get; } = new(new ShimBinary(ShimBinary.Beside(AppContext.BaseDirectory)), TimeProvider.System);

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public string PrivateDirectory { get; }

    public string Workspace { get; }

    public string SpoolDirectory => Path.Combine(PrivateDirectory, ShimProtocol.SpoolDirectory);

    public async Task<IShimSession> LaunchAsync(
        TimeSpan? lease = null, ShimCommand? teardown = null, long spoolBytes = 16 << 20, ShimLimits? limits = null, ShimUser? user = null, bool endsWithHost = false, Direct.Shims.Shims? shims = null)
    {
        var session = await (shims ?? Shims).LaunchAsync(
            new ShimLaunch
            {
                PrivateDirectory = PrivateDirectory,
                Lease = lease ?? TimeSpan.FromMinutes(10),
                Teardown = teardown,
                EndsWithHost = endsWithHost,
                SpoolBytes = spoolBytes,
                Limits = (limits ?? new()) with { Measured = [Workspace] },
                User = user,
            },
            Cancellation);
        return Keep(session);
    }

    /// <summary>Its loop comes round by itself after ten minutes only: whatever it does within a test, something has told it to, or was due.</summary>
    public async Task<IShimSession> LaunchPatientAsync(ShimLimits limits) => await LaunchAsync(limits: limits, shims: await OwnShimsAsync("patient-shim"));

    /// <summary>Its commands get half a second of grace at most when the lease is over.</summary>
    public async Task<IShimSession> LaunchHurriedAsync(ShimCommand teardown) => await LaunchAsync(teardown: teardown, shims: await OwnShimsAsync("hurried-shim"));

    /// <summary>This program in place of the shim, as its <c>Main</c> knows it by a name.</summary>
    private async Task<Direct.Shims.Shims> OwnShimsAsync(string name)
    {
        var (program, script) = (Path.Combine(AppContext.BaseDirectory, "OzFunctions.Shim.Tests"), _temp.Sub(name));
        var runtime = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

        // Written by another process: a file that this one has open for writing, or a child that it is just starting, cannot be executed.
        var written = await TestProcess.RunAsync("/bin/sh", ["-c", "printf '#!/bin/sh\nDOTNET_ROOT=\"%s\" exec \"%s\" %s \"$1\"\n' \"$1\" \"$2\" \"$4\" > \"$3\" && chmod 755 \"$3\"", "sh", runtime, program, script, name], Cancellation);
        Assert.Equal(0, written.ExitCode);
        return new(new ShimBinary(script), TimeProvider.System);
    }

    /// <summary>Gives the workspace to another account, as a host does that changes to it.</summary>
    public void GiveWorkspaceTo(int uid)
    {
        _temp.Open();
        Assert.Equal(0, Signals.ChangeOwner(Workspace, uid, uid));
    }

    /// <summary>The private directory too, where the host itself is of that account.</summary>
    public void GivePrivateTo(int uid) => Assert.Equal(0, Signals.ChangeOwner(PrivateDirectory, uid, uid));

    /// <summary>Has the end of the test look for what a shim left that another process launched.</summary>
    public void Watch(long tag) => _tag = tag;

    public async Task<IShimSession> AttachAsync() => Keep(await Shims.TryAttachAsync(PrivateDirectory, Cancellation) ?? throw new InvalidOperationException("no shim lives"));

    public ShimCommand Sh(string script, string phase = ShimPhase.Agent) => Command(phase, "/bin/sh", "-c", script);

    public ShimCommand Command(string phase, params string[] arguments) => new()
    {
        Phase = phase,
        Arguments = arguments,
        Environment = PlainEnvironment,
        WorkingDirectory = Workspace,
        StopGrace = TimeSpan.FromMilliseconds(300),
    };

    public async Task<ShimCommandStatus> RunAsync(IShimSession session, ShimCommand command)
    {
        await session.StartAsync(command, Cancellation);
        return await session.WaitAsync(command.Phase, Cancellation);
    }

    public string Output(params SpoolStream[] streams)
    {
        using var reader = new SpoolReader(SpoolDirectory, SpoolPosition.Start);
        var text = new StringBuilder();
        while (reader.TryRead(out var record))
        {
            if (streams.Contains(record.Stream))
            {
                text.Append(Encoding.UTF8.GetString(record.Bytes.Span));
            }
        }

        return text.ToString();
    }

    /// <summary>As a host that renews for so long and goes: a lease of the launch must be long enough for all that comes before.</summary>
    public async Task RenewAndGoAsync(TimeSpan lease)
    {
        await using var session = await AttachAsync();
        await session.RenewAsync(lease, Cancellation);
    }

    /// <summary>Waits until the agent's output holds a text.</summary>
    public Task OutputHoldsAsync(IShimSession session, string text) => OutputHoldsAsync(session, PrivateDirectory, text, Cancellation);

    public static async Task OutputHoldsAsync(IShimSession session, string privateDirectory, string text, CancellationToken cancellationToken)
    {
        using var reader = new SpoolReader(Path.Combine(privateDirectory, ShimProtocol.SpoolDirectory), SpoolPosition.Start);
        var seen = new StringBuilder();
        while (!seen.ToString().Contains(text, StringComparison.Ordinal))
        {
            while (reader.TryRead(out var record))
            {
                seen.Append(Encoding.UTF8.GetString(record.Bytes.Span));
            }

            if (!seen.ToString().Contains(text, StringComparison.Ordinal))
            {
                Assert.False(session.Status.Commands.All(command => command.Ended), $"The command ended without '{text}': {seen}");
                await session.WaitForOutputAsync(reader.Position, TimeSpan.FromSeconds(30), cancellationToken);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var session in _sessions)
        {
            if (session.Status.Commands.Any(command => !command.Ended))
            {
                try
                {
                    await session.StopAsync(ShimStopCause.Shutdown, TimeSpan.Zero, CancellationToken.None);
                }
                catch (ShimException)
                {
                    // Shot by the test.
                }
            }

            try
            {
                await session.EndAsync(CancellationToken.None);
            }
            catch (ShimException)
            {
                // Gone already.
            }

            await session.DisposeAsync();
        }

        // It hangs up a moment before it is gone, and one that another process launched is not ours to wait for.
        foreach (var pid in _sessions.Select(session => session.Status.Pid).Distinct())
        {
            await Signals.GoneAsync(pid, CancellationToken.None);
        }

        var left = _tag == 0 ? [] : Tagged.Processes(_tag);
        _temp.Dispose();
        Assert.Empty(left);
    }

    private IShimSession Keep(IShimSession session)
    {
        _sessions.Add(session);
        _tag = session.Status.Tag;
        return session;
    }
}
