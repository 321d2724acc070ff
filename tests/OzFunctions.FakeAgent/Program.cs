using OzFunctions.FakeAgent;

// The bench's path: nothing is parsed, nothing is printed.
if (Array.IndexOf(args, "--prompt=fake:noop") >= 2 && Guard.FindRefusal(args) is null)
{
    return 0;
}

try
{
    return CommandLine.Run(args);
}
catch (UsageException ex)
{
    new AgentOutput(json: false).Error(ex.Text);
    return 2;
}
catch (AgentException ex)
{
    new AgentOutput(json: false).Error($"Error: {ex.Message}\nSee the log file for details: ~/.local/state/warp-terminal/oz/warp.log\n");
    return ex.ExitCode;
}
