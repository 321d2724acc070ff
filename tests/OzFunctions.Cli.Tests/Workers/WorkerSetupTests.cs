using OzFunctions.Cli.Stores;
using OzFunctions.Cli.Workers;

namespace OzFunctions.Cli.Tests.Workers;

public sealed class WorkerSetupTests : IDisposable
{
    private readonly OzfRig _ozf = new();

    public void Dispose() => _ozf.Dispose();

    [Fact]
    public void What_the_policy_says_reaches_the_host()
    {
        var file = _ozf.Write("ozf.yaml", "policy: {max_timeout: 3h, concurrency: 5, env: [MODE], senders: [ann], agents: [oz], veto_command: /bin/false}");

        var setup = WorkerSetup.Create(Settings.Load(file, new(), null, _ozf.Surround()), new(), _ozf.Environment);

        Assert.Equal(5, setup.Worker.RoomPerKey);
        var policy = setup.Direct.Policy;
        Assert.Equal(TimeSpan.FromHours(3), policy.MaxTimeout);
        Assert.Equal(["MODE"], policy.Env);
        Assert.Equal(["ann"], policy.Senders);
        Assert.Equal(["oz"], policy.Agents);
        Assert.Equal("/bin/false", policy.Veto?.Command);
    }

    [Fact]
    public void Runs_that_share_a_directory_share_it_as_their_key()
    {
        var place = Path.Combine(_ozf.Place, "checkout");
        Directory.CreateDirectory(place);
        File.CreateSymbolicLink(Path.Combine(_ozf.Place, "link"), place);
        var file = _ozf.Write("ozf.yaml", $"backend: {{direct: {{target_dir: {Path.Combine(_ozf.Place, "link")}}}}}");

        Assert.Equal(place, WorkerSetup.Create(Settings.Load(file, new(), null, _ozf.Surround()), new(), _ozf.Environment).Worker.SharedKey);
        Assert.Null(WorkerSetup.Create(Settings.Load(_ozf.Write("none.yaml", "worker_id: w"), new(), null, _ozf.Surround()), new(), _ozf.Environment).Worker.SharedKey);
    }

    [Fact]
    public void What_the_vendor_sets_by_itself_is_so_here_too()
    {
        var setup = WorkerSetup.Create(Settings.Load(_ozf.Write("ozf.yaml", "worker_id: w"), new(), null, _ozf.Surround()), new(), _ozf.Environment);

        var direct = setup.Direct;
        Assert.Equal(("w", 0), (setup.Worker.WorkerId, setup.Worker.Slots));
        Assert.Equal(("/var/lib/oz/workspaces", null, null, null, null), (direct.WorkspaceRoot, direct.TargetDir, direct.OzPath, direct.SetupCommand, direct.TeardownCommand));
        Assert.Equal((true, false, TimeSpan.Zero), (direct.Cleanup, direct.PrivateHome, direct.IdleOnComplete));
        Assert.Empty(direct.Environment);
    }
}
