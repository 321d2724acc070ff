using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Tests.Workers;

public sealed class WorkersCommandTests : IDisposable
{
    private readonly OzfRig _ozf = new();

    public void Dispose() => _ozf.Dispose();

    [Fact]
    public async Task A_paused_worker_is_listed_and_resumed()
    {
        Assert.Equal("""{"workers":[]}""", (await _ozf.RunAsync("workers", "list", "--output", "json")).Ends(ExitCodes.Success).Line);
        Assert.Equal("""{"worker_id":"w","paused":true,"changed":true}""", (await _ozf.RunAsync("workers", "pause", "w", "--output", "json")).Ends(ExitCodes.Success).Line);
        Assert.Equal("Worker 'w' is paused already.", (await _ozf.RunAsync("workers", "pause", "w")).Ends(ExitCodes.Success).Line);
        Assert.Equal("""{"workers":[{"worker_id":"w","paused":true,"hosts":[]}]}""", (await _ozf.RunAsync("workers", "list", "--output", "json")).Line);

        (await _ozf.RunAsync("workers", "resume", "w")).Ends(ExitCodes.Success);

        Assert.Equal("""{"workers":[]}""", (await _ozf.RunAsync("workers", "list", "--output", "json")).Line);
    }

    [Theory]
    [InlineData(ExitCodes.Usage, "oz-agent-worker", "--backend", "docker")]
    [InlineData(ExitCodes.Usage, "--worker-id", "--worker-id", "warp-x")]
    [InlineData(ExitCodes.Usage, "--drain-timeout", "--drain-timeout", "soon")]
    [InlineData(ExitCodes.Usage, "does not exist", "--target-dir", "nowhere", "--config-file", "good.yaml")]
    [InlineData(ExitCodes.Usage, "nope.yaml", "--config-file", "nope.yaml")]
    [InlineData(ExitCodes.Usage, "backend.direct.user", "--config-file", "user.yaml")]
    [InlineData(ExitCodes.Unavailable, "oz CLI not found", "--config-file", "none.yaml")]
    [InlineData(ExitCodes.Unavailable, "backend.direct.workspace_root", "--config-file", "root.yaml")]
    public async Task A_worker_that_could_only_fail_does_not_start(int exitCode, string says, params string[] flags)
    {
        File.WriteAllText(Path.Combine(_ozf.Place, "file"), "in the way");
        _ozf.Write("good.yaml", $"backend: {{direct: {{oz_path: /bin/true, workspace_root: {_ozf.Place}/ws}}}}");
        _ozf.Write("none.yaml", $"backend: {{direct: {{oz_path: /nonexistent/oz, workspace_root: {_ozf.Place}/ws}}}}");
        _ozf.Write("root.yaml", $"backend: {{direct: {{oz_path: /bin/true, workspace_root: {_ozf.Place}/file/ws}}}}");
        _ozf.Write("user.yaml", $"backend: {{direct: {{oz_path: /bin/true, user: no-such-account, workspace_root: {_ozf.Place}/ws}}}}");

        var answer = (await _ozf.RunAsync(["worker", .. flags])).Ends(exitCode);

        Assert.Contains(says, answer.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", answer.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_worker_of_root_refuses_a_workspace_root_that_others_can_write()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root");
        var open = Directory.CreateDirectory(Path.Combine(_ozf.Place, "open")).FullName;
        File.SetUnixFileMode(open, (UnixFileMode)0x1FF);
        _ozf.Write("user.yaml", $"backend: {{direct: {{oz_path: /bin/true, user: nobody, workspace_root: {open}/ws}}}}");

        var answer = (await _ozf.RunAsync("worker", "--config-file", "user.yaml")).Ends(ExitCodes.Usage);

        Assert.Contains($"backend.direct.workspace_root: {open}/ws: with backend.direct.user", answer.Error, StringComparison.Ordinal);
        Assert.Contains($"{open} can be written by others (mode 0777)", answer.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(open + "/ws"));
    }
}
