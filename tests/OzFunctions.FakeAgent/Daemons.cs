namespace OzFunctions.FakeAgent;

/// <summary>Descendants that try to outlive the agent (guarantee 6). Each prints <c>daemon PID</c> and sleeps.</summary>
internal static class Daemons
{
    private const string Quiet = "</dev/null >/dev/null 2>&1";

    public static void Start(Step step, AgentOutput output)
    {
        var seconds = step.Number(1, 1000);
        var file = Path.GetTempFileName();

        // The sleeper writes its own pid before it becomes `sleep`: with setsid and double forks nobody else knows it.
        var sleeper = $"sh -c 'echo $$ >\"$1\"; exec sleep {seconds}' sleeper '{file}'";
        var command = (step.Words.Count > 0 ? step.Words[0] : "setsid") switch
        {
            "plain" => $"{sleeper} {Quiet} &",
            "nohup" => $"nohup {sleeper} {Quiet} &",
            "setsid" => $"setsid {sleeper} {Quiet} &",
            "double-fork" => $"( ( setsid {sleeper} {Quiet} & ) & )",
            "env-i" => $"env -i PATH=\"$PATH\" setsid {sleeper} {Quiet} &",
            "ignore-term" => $"( trap '' TERM INT HUP; setsid {sleeper} {Quiet} & )",
            "hold-output" => $"setsid {sleeper} </dev/null &",
            var other => throw new AgentException($"fake-oz: unknown daemon '{other}'", 91),
        };
        Libc.Shell(command);
        string pid;
        while ((pid = File.ReadAllText(file)).Length == 0 || pid[^1] != '\n')
        {
            Thread.Yield();
        }

        File.Delete(file);
        output.Say($"daemon {pid.Trim()}");
    }
}
