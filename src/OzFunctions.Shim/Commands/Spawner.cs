using OzFunctions.Shim.Children;
using OzFunctions.Shim.Limits;
using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Commands;

/// <summary>Executes a command in a session of its own, with nothing but what it is given.</summary>
internal sealed unsafe class Spawner(Descendants descendants, OomScore oom, ResourceLimits resources, ShimUser? user)
{
    private const long LongestEntry = 10_000;
    private const int PathOnly = 0x200000;
    private const short SetSigMask = 8;
    private const short SetSigDefault = 4;
    private const short SetSession = 0x80;

    // The file itself and not its name: it may have been replaced or removed since. In the child it is the child's own, which is the same.
    private static readonly string[] ItsEntry = ["/proc/self/exe", CommandEntry.Argument];
    private static readonly string[] EntryEnvironment = ["DOTNET_EnableDiagnostics=0"];
    private readonly EntryOrders _orders = EntryOrders.Of(resources, user);

    /// <summary>Starts it with its output on these descriptors.</summary>
    public SpawnResult Spawn(ShimCommand command, int output, int error)
    {
        // posix_spawn answers "no such file" for a missing program and a missing directory alike.
        var directory = Libc.Open(command.WorkingDirectory, Libc.OReadOnly | Libc.ODirectory | Libc.OCloseOnExec | PathOnly, 0);
        if (directory < 0)
        {
            return new SpawnResult(Libc.ENotDir, 0, $"The working directory {command.WorkingDirectory} cannot be entered: {Libc.Explain(Libc.Errno)}");
        }

        _ = Libc.Close(directory);
        if (_orders.AreEmpty)
        {
            return Spawn(command, command.Arguments, command.Environment, output, error, null);
        }

        if (EntryPipes.TryOpen(_orders.Write(command.Arguments, command.Environment)) is not { } pipes)
        {
            return new SpawnResult(Libc.Errno, 0, $"{command.Arguments[0]} cannot be executed: {Libc.Explain(Libc.Errno)}");
        }

        var started = Spawn(command, ItsEntry, EntryEnvironment, output, error, pipes);
        var fault = pipes.WaitForFault(started.Error == 0 ? LongestEntry : 0);
        return fault is { } found && started.Error == 0
            ? new SpawnResult(found.Error, 0, CommandEntry.Explain(found.Step, found.Error, _orders, command.Arguments[0]))
            : started;
    }

    private SpawnResult Spawn(ShimCommand command, IReadOnlyList<string> argumentTexts, IReadOnlyList<string> environmentTexts, int output, int error, EntryPipes? entry)
    {
        using var arguments = new NativeTexts(argumentTexts);
        using var environment = new NativeTexts(environmentTexts);
        using var workingDirectory = new NativeTexts([command.WorkingDirectory]);
        var actions = stackalloc byte[512];
        var attributes = stackalloc byte[512];
        var signals = stackalloc byte[128];
        _ = Libc.SpawnActions(actions);
        _ = Libc.SpawnActionsChdir(actions, workingDirectory.Pointers[0]);
        _ = Libc.SpawnActionsDup2(actions, 0, 0);
        _ = Libc.SpawnActionsDup2(actions, output, 1);
        _ = Libc.SpawnActionsDup2(actions, error, 2);
        if (entry is not null)
        {
            // Kept above all these numbers, so that none is overwritten before it is copied.
            _ = Libc.SpawnActionsDup2(actions, entry.Orders, CommandEntry.OrdersDescriptor);
            _ = Libc.SpawnActionsDup2(actions, entry.Fault, CommandEntry.FaultDescriptor);
        }

        _ = Libc.SpawnActionsCloseFrom(actions, entry is null ? 3 : CommandEntry.FaultDescriptor + 1);
        _ = Libc.SpawnAttributes(attributes);
        _ = Libc.SignalsAll(signals);
        _ = Libc.SpawnAttributesDefaults(attributes, signals);
        _ = Libc.SignalsNone(signals);
        _ = Libc.SpawnAttributesMask(attributes, signals);
        _ = Libc.SpawnAttributesFlags(attributes, SetSession | SetSigDefault | SetSigMask);

        var pid = 0;
        var argv = arguments.Pointers;
        var envp = environment.Pointers;
        oom.SetForChild(resources.Limits.OomScoreAdj);
        var failed = descendants.Start(() =>
        {
            int child;
            var result = Libc.Spawn(&child, argv[0], actions, attributes, argv, envp);
            pid = child;
            return (result, child);
        });
        oom.Restore();
        _ = Libc.SpawnActionsDestroy(actions);
        _ = Libc.SpawnAttributesDestroy(attributes);
        return failed == 0
            ? new SpawnResult(0, pid, null)
            : new SpawnResult(failed, 0, $"{command.Arguments[0]} cannot be executed: {Libc.Explain(failed)}");
    }
}

/// <summary>errno, the leader's pid, and the sentence for a failure.</summary>
internal sealed record SpawnResult(int Error, int Pid, string? Sentence);
