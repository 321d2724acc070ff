using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Direct.Tests.Attempts;

/// <summary>What is known of a question's supervisor when nothing of it may be left.</summary>
public sealed class InquiryTests
{
    private const int Limit = 240_000;

    [Fact(Timeout = Limit)]
    public async Task After_an_answer_it_is_known_that_all_of_it_ended_so_that_one_look_is_enough()
    {
        using var temp = new TempDirectory();
        var shims = new ListeningShims(new Shims.Shims(BackendRig.Binary, TimeProvider.System));

        var answer = await new Inquiry(shims, temp["asked"], TimeProvider.System).AskAsync(Question("echo yes"), BackendRig.Cancellation);

        Assert.Equal("yes", answer.Output[0]);
        var known = Assert.Single(shims.Swept)!;
        Assert.Equal((true, true, 0), (known.Commands.Single().Ended, known.Commands.Single().Clean, known.Commands.Single().ExitCode));
    }

    [Fact(Timeout = Limit)]
    public async Task What_a_command_writes_into_the_status_of_a_supervisor_that_it_shoots_changes_nobody_who_is_looked_for()
    {
        using var temp = new TempDirectory();
        var shims = new ListeningShims(new Shims.Shims(BackendRig.Binary, TimeProvider.System));
        var forge = """
            file=$(tr '\0' '\n' </proc/$PPID/cmdline | sed -n 2p)/status.json
            sed -e 's/"tag": *[0-9]*/"tag":1/' -e 's/"ended": *false/"ended":true,"exit_code":0/' "$file" >"$file.forged"
            mv "$file.forged" "$file"
            kill -9 $PPID
            sleep 3600
            """;

        await new Inquiry(shims, temp["asked"], TimeProvider.System).AskAsync(Question(forge), BackendRig.Cancellation);

        Assert.Equal(shims.Launched!.Tag, Assert.Single(shims.Swept)!.Tag);
        await Testing.ProcessTable.AssertNoneAsync(temp.Path, BackendRig.Cancellation);
    }

    private static InquiryQuestion Question(string script) =>
        new() { Arguments = ["/bin/sh", "-c", script], Environment = ["PATH=/usr/local/bin:/usr/bin:/bin"], Within = TimeSpan.FromMinutes(1) };

    /// <summary>The real ones, listened to.</summary>
    private sealed class ListeningShims(IShims shims) : IShims
    {
        public ShimStatus? Launched { get; private set; }

        public List<ShimStatus?> Swept { get; } = [];

        public async Task<IShimSession> LaunchAsync(ShimLaunch launch, CancellationToken cancellationToken)
        {
            var session = await shims.LaunchAsync(launch, cancellationToken);
            Launched = session.Status;
            return session;
        }

        public Task<IShimSession?> TryAttachAsync(string privateDirectory, CancellationToken cancellationToken) => shims.TryAttachAsync(privateDirectory, cancellationToken);

        public ShimStatus? ReadStatus(string privateDirectory) => shims.ReadStatus(privateDirectory);

        public ShimStatus? Identify(string privateDirectory) => shims.Identify(privateDirectory);

        public void Continue(string privateDirectory, ShimStatus? known) => shims.Continue(privateDirectory, known);

        public void Kill(string privateDirectory, ShimStatus? known) => shims.Kill(privateDirectory, known);

        public Task<int> SweepAsync(string privateDirectory, ShimStatus? known, CancellationToken cancellationToken)
        {
            Swept.Add(known);
            return shims.SweepAsync(privateDirectory, known, cancellationToken);
        }
    }
}
