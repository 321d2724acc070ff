using OzFunctions.Shim.Children;
using OzFunctions.Shim.Native;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim.Commands;

/// <summary>Executes a command in a session of its own, with nothing but what it is given.</summary>
internal sealed unsafe class Spawner(Descendants descendants, OomScore oom)
{
    private const int PathOnly = 0x200000;
    private const short SetSigMask = 8;
    private const short SetSigDefault = 4;
    private const short SetSession = 0x80;

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
        using var arguments = new NativeTexts(command.Arguments);
        using var environment = new NativeTexts(command.Environment);
        using var workingDirectory = new NativeTexts([command.WorkingDirectory]);
        var actions = stackalloc byte[512];
        var attributes = stackalloc byte[512];
        var signals = stackalloc byte[128];
        _ = Libc.SpawnActions(actions);
        _ = Libc.SpawnActionsChdir(actions, workingDirectory.Pointers[0]);
        _ = Libc.SpawnActionsDup2(actions, 0, 0);
        _ = Libc.SpawnActionsDup2(actions, output, 1);
        _ = Libc.SpawnActionsDup2(actions, error, 2);
        _ = Libc.SpawnActionsCloseFrom(actions, 3);
        _ = Libc.SpawnAttributes(attributes);
        _ = Libc.SignalsAll(signals);
        _ = Libc.SpawnAttributesDefaults(attributes, signals);
        _ = Libc.SignalsNone(signals);
        _ = Libc.SpawnAttributesMask(attributes, signals);
        _ = Libc.SpawnAttributesFlags(attributes, SetSession | SetSigDefault | SetSigMask);

        var pid = 0;
        var argv = arguments.Pointers;
        var envp = environment.Pointers;
        oom.RaiseForChild();
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
