using System.Text;

namespace OzFunctions.FakeAgent;

/// <summary>What a prompt can make the agent do. The list with its meaning stands in README.md.</summary>
internal sealed class Verbs(AgentArguments arguments, AgentOutput output, AgentClock clock)
{
    private readonly List<byte[]> _held = [];

    public int ExitCode { get; private set; }

    public void Do(Step step)
    {
        switch (step.Verb)
        {
            case "noop" or "no-run-id" or "run-id":
                break;
            case "exit":
                ExitCode = (int)step.Number(0, 0);
                break;
            case "say":
                output.Say(step.Text);
                break;
            case "stderr":
                output.Error(step.Text + "\n");
                break;
            case "fail":
                throw new AgentException(step.Text.Length > 0 ? step.Text : "The agent failed");
            case "blocked":
                throw new AgentException($"The agent got stuck waiting for user confirmation on the action: {(step.Text.Length > 0 ? step.Text : "run_command")}");
            case "not-logged-in":
                throw new AgentException("You are not logged in - please log in with `oz login`");
            case "bad-key":
                throw new AgentException("Your API key is invalid. Please provide a valid key via '--api-key' or the WARP_API_KEY environment variable.");
            case "need-key" when Environment.GetEnvironmentVariable("WARP_API_KEY") is null && !arguments.Has("api-key"):
                throw new AgentException("You are not logged in - please log in with `oz login`");
            case "need-key":
                break;
            case "pr":
                output.PullRequest(step.Words[0], step.Words.Count > 1 ? step.Words[1] : "oz/change");
                break;
            case "session":
                output.SessionShared(step.Text);
                break;
            case "tool":
                RunTool(step.Text);
                break;
            case "sh":
                Libc.Shell(step.Text);
                break;
            case "hang":
                output.Say("ready");
                clock.Wait(null);
                break;
            case "silent":
                clock.Wait(step.Seconds(0));
                break;
            case "deadline" when !clock.HasDeadline:
                throw new AgentException("fake-oz: WARP_SANDBOX_DEADLINE is not set", 91);
            case "deadline":
                output.Say("ready");
                clock.Wait(null);
                break;
            case "wait-file":
                WaitForFile(step.Text);
                break;
            case "ignore-term":
                clock.IgnoreTerminate = true;
                break;
            case "ignore-int":
                clock.IgnoreInterrupt = true;
                break;
            case "slow-shutdown":
                clock.Shutdown = step.Seconds(0) ?? TimeSpan.FromSeconds(60);
                break;
            case "signal":
                Libc.DieBy(Libc.FindSignal(step.Text) is > 0 and var signal ? signal : throw new AgentException($"fake-oz: unknown signal '{step.Text}'", 91));
                clock.Wait(null);
                break;
            case "memory":
                Hold(step.Number(0, 64));
                break;
            case "burn":
                Burn(step.Seconds(0) ?? TimeSpan.FromSeconds(1));
                break;
            case "spawn-daemon":
                Daemons.Start(step, output);
                break;
            case "write" or "append":
                Write(step.Words[0], step.Rest, step.Verb == "append");
                break;
            case "artifact":
                Write(Path.Combine(Environment.GetEnvironmentVariable("OZ_ARTIFACTS_DIR") ?? throw new AgentException("fake-oz: OZ_ARTIFACTS_DIR is not set", 91), step.Words[0]), step.Rest, append: false);
                output.FileArtifact(step.Words[0], Guid.NewGuid().ToString("D"));
                break;
            case "close-stdout-and-live":
                output.Say("ready");
                _ = Libc.Close(1);
                _ = Libc.Close(2);
                clock.Wait(step.Seconds(0));
                break;
            default:
                if (!Reports.TryDo(step, arguments, output) && !Printing.TryDo(step, output, clock))
                {
                    throw new AgentException($"fake-oz: unknown verb '{step.Verb}'; tests/OzFunctions.FakeAgent/README.md lists them", 91);
                }

                break;
        }
    }

    private void RunTool(string command)
    {
        output.CommandCalled(command);
        var file = Path.GetTempFileName();
        var exitCode = Libc.Shell($"{{ {command}\n}} >'{file}' 2>&1");
        output.CommandDone(exitCode, File.ReadAllText(file));
        File.Delete(file);
    }

    private void WaitForFile(string path)
    {
        while (!File.Exists(path))
        {
            clock.Wait(TimeSpan.FromMilliseconds(10));
        }
    }

    private void Hold(long mebibytes)
    {
        for (var i = 0L; i < mebibytes; i++)
        {
            var block = GC.AllocateUninitializedArray<byte>(1 << 20);
            block.AsSpan().Fill((byte)(i | 1));
            _held.Add(block);
        }
    }

    private void Burn(TimeSpan time)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(start) < time)
        {
            clock.Check();
        }
    }

    private static void Write(string path, string text, bool append)
    {
        if (Path.GetDirectoryName(path) is { Length: > 0 } directory)
        {
            Directory.CreateDirectory(directory);
        }

        using var file = new FileStream(path, append ? FileMode.Append : FileMode.Create);
        file.Write(Encoding.UTF8.GetBytes(text + "\n"));
    }
}
