using System.Threading.Channels;
using OzFunctions.Backends;
using OzFunctions.Protocol;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests;

/// <summary>An attempt whose host is the test: it gives orders, answers C9 and sees every step.</summary>
internal sealed class FakeOwnedAttempt(RunRecord record, IAttemptDirectory directory, bool adopted = false) : IOwnedAttempt, IProtocolProbe, IDisposable
{
    private readonly CancellationTokenSource _ordered = new();
    private readonly Channel<ProtocolStep> _steps = Channel.CreateUnbounded<ProtocolStep>();
    private readonly List<ProtocolStep> _passed = [];

    public RunRecord Record { get; private set; } = record;

    public IAttemptDirectory Directory => directory;

    public bool Adopted => adopted;

    public IProtocolProbe Probe => this;

    public TimeSpan LeaseLeft { get; set; } = TimeSpan.FromMinutes(10);

    public StopOrder? StopOrder { get; private set; }

    public CancellationToken StopOrdered => _ordered.Token;

    /// <summary>What C9 answers.</summary>
    public StartPermission Permission { get; set; } = StartPermission.Start;

    public int Starts { get; private set; }

    public bool StartNoted { get; private set; }

    /// <summary>Called in a step, as if the process met its end there when it throws.</summary>
    public Action<ProtocolStep>? OnPassed { get; set; }

    public IReadOnlyList<ProtocolStep> Steps
    {
        get
        {
            lock (_passed)
            {
                return [.. _passed];
            }
        }
    }

    public void Order(StopOrder order)
    {
        StopOrder = order;
        _ordered.Cancel();
    }

    public Task<StartPermission> StartAsync(string? masksSha256, CancellationToken cancellationToken)
    {
        Starts++;
        if (Record.State != RunState.InProgress)
        {
            Record = Record with { State = RunState.InProgress, Attempts = [.. Record.Attempts.Select(attempt => attempt with { MasksSha256 = masksSha256 })] };
        }

        return Task.FromResult(Permission);
    }

    public Task NoteStartedAsync(CancellationToken cancellationToken)
    {
        StartNoted = true;
        return Task.CompletedTask;
    }

    public void Passed(ProtocolStep step, RunId runId)
    {
        Assert.Equal(Record.RunId, runId);
        lock (_passed)
        {
            _passed.Add(step);
        }

        OnPassed?.Invoke(step);
        _steps.Writer.TryWrite(step);
    }

    public async Task WaitForAsync(ProtocolStep step, CancellationToken cancellationToken)
    {
        while (await _steps.Reader.ReadAsync(cancellationToken) != step)
        {
        }
    }

    public void Dispose() => _ordered.Dispose();
}
