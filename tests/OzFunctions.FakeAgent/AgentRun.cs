namespace OzFunctions.FakeAgent;

/// <summary>One run: the lines every run begins with, then what the prompt's verbs say.</summary>
internal sealed class AgentRun(AgentArguments arguments)
{
    private readonly AgentOutput _output = new(arguments.IsJson);
    private readonly AgentClock _clock = new();

    public int Execute()
    {
        var steps = Step.Parse(arguments.Prompt);
        if (steps.Any(step => step.Verb == "before-driver"))
        {
            // No handler yet: SIGTERM has its default action (facts A5.16).
            _output.Say("starting");
            Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System).GetAwaiter().GetResult();
        }

        _clock.StartDriver();
        try
        {
            Begin(steps);
            var verbs = new Verbs(arguments, _output, _clock);
            foreach (var step in steps)
            {
                _clock.Check();
                verbs.Do(step);
            }

            if (steps.Count == 0)
            {
                Converse();
            }

            Idle();
            return verbs.ExitCode;
        }
        catch (AgentStop)
        {
            _clock.FinishShutdown();
            return 0;
        }
    }

    private void Begin(IReadOnlyList<Step> steps)
    {
        if (!steps.Any(step => step.Verb == "no-run-id"))
        {
            _output.RunStarted(steps.FirstOrDefault(step => step.Verb == "run-id")?.Text ?? Guid.NewGuid().ToString("D"));
        }

        _output.ConversationStarted(Guid.NewGuid().ToString("D"));
        if (arguments.Has("share"))
        {
            _output.SessionShared($"https://app.warp.dev/session/{Guid.NewGuid():D}");
        }
    }

    private void Converse()
    {
        _output.Say("I will look at the repository first.");
        _output.CommandCalled("ls");
        _output.CommandDone(0, string.Join('\n', Directory.EnumerateFileSystemEntries(".").Select(Path.GetFileName).Take(20).Order(StringComparer.Ordinal)));
        _output.Say("Nothing needs to be changed.");
    }

    /// <summary>Facts A2.15: without the flag the CLI leaves at once, with the bare flag it stays for 45 minutes.</summary>
    private void Idle()
    {
        if (arguments.Find("idle-on-complete") is { } idle)
        {
            var time = idle == AgentArguments.Bare ? TimeSpan.FromMinutes(45) : AgentArguments.FindDuration(idle)!.Value;
            if (time > TimeSpan.Zero)
            {
                _clock.Wait(time);
            }
        }
    }
}
