using OzFunctions.Backends;
using OzFunctions.Runs;

namespace OzFunctions.Direct.Tests.Attempts;

/// <summary><c>policy.veto_command</c> as a real command under a shim of its own.</summary>
public sealed class VetoHookTests
{
    private const int Limit = 240_000;

    [Theory(Timeout = Limit)]
    [InlineData("exit 0", null)]
    [InlineData("echo all is well; exit 0", null)]
    [InlineData("echo 'not on a Friday'; exit 3", "not on a Friday")]
    [InlineData("echo looking; echo 'no such budget' >&2; exit 1", "no such budget")]
    [InlineData("echo only this; echo; exit 1", "only this")]
    [InlineData("exit 7", "it ended with 7 and gave no reason.")]
    [InlineData("kill -9 $$", "it was ended by signal SIGKILL and gave no reason.")]
    [InlineData("/nonexistent/veto 2>/dev/null", "it ended with 127 and gave no reason.")]
    [InlineData("printf 'red \\033[31m\\377 text'; exit 1", "red [31m\uFFFD text")]
    public async Task It_refuses_by_its_exit_code_with_its_last_words(string command, string? reason)
    {
        await using var rig = NewRig(command);
        var attempt = rig.Claim(BackendRig.Fake("noop"));

        var outcome = await rig.RunAsync(attempt);

        Assert.Equal(reason is null ? RunReason.Completed : RunReason.PolicyRefused, outcome.Reason);
        Assert.Equal(reason is null ? null : $"The veto command of this host refused the run: {reason}", outcome.Message);
        Assert.Equal(reason is null, outcome.Attempt.StartedAt is not null);
        Assert.False(Directory.Exists(Path.Combine(rig.PrivateOf(attempt), "veto")));
    }

    [Fact(Timeout = Limit)]
    public async Task It_sees_the_record_on_its_standard_input_and_no_secret_of_the_host()
    {
        await using var rig = NewRig("""grep -q '"prompt":"fake:say budget 17"' && [ -n "$OZF_RUN_ID" ] && [ -z "$WARP_API_KEY" ] && exit 0; exit 1""");

        Assert.Equal(RunReason.Completed, (await rig.RunAsync(BackendRig.Fake("say budget 17"))).Reason);
        Assert.Equal(RunReason.PolicyRefused, (await rig.RunAsync(BackendRig.Fake("say budget 18"))).Reason);
    }

    [Fact(Timeout = Limit)]
    public async Task No_answer_in_time_refuses_and_ends_it()
    {
        await using var rig = NewRig("trap '' INT TERM; sleep 600 & wait; sleep 600", TimeSpan.FromMilliseconds(500));

        var outcome = await rig.RunAsync(BackendRig.Fake("noop"));

        // The rig proves that nothing of it is left.
        Assert.Equal((RunReason.PolicyRefused, "The veto command of this host refused the run: it did not answer within 500ms."), (outcome.Reason, outcome.Message));
    }

    [Fact(Timeout = Limit)]
    public async Task A_cancel_does_not_wait_for_its_answer()
    {
        await using var rig = NewRig("", TimeSpan.FromHours(1));
        rig.Options = rig.Options with { Policy = new() { Veto = rig.Options.Policy.Veto! with { Command = $": > {rig.Temp["asked"]}; sleep 3600" } } };
        var attempt = rig.Claim(BackendRig.Fake("noop"));
        var running = rig.RunAsync(attempt);
        await rig.WaitForFileAsync(rig.Temp["asked"]);

        attempt.Order(StopOrder.Cancel);

        var outcome = await running;
        Assert.Equal((RunReason.TaskCancelled, 0), (outcome.Reason, attempt.Starts));
        Assert.False(Directory.Exists(Path.Combine(rig.PrivateOf(attempt), "veto")));
    }

    [Theory(Timeout = Limit)]
    [InlineData("( setsid sleep 600 </dev/null >/dev/null 2>&1 & ) & wait; exit 0", RunReason.Completed)]
    [InlineData("( setsid env -i sleep 600 & ) & wait; exit 0", RunReason.Completed)]
    [InlineData("( setsid sleep 600 & ) & wait; exit 1", RunReason.PolicyRefused)]
    public async Task What_it_left_running_is_ended_with_its_answer(string command, RunReason reason)
    {
        var marker = $"veto-{Guid.NewGuid():N}";
        await using var rig = NewRig(command.Replace("sleep 600", $"sh -c 'sleep 600; : {marker}'", StringComparison.Ordinal));

        var outcome = await rig.RunAsync(BackendRig.Fake("noop"));

        Assert.Equal(reason, outcome.Reason);
        Assert.Empty(Testing.ProcessTable.WithTag(marker));
    }

    [Fact(Timeout = Limit)]
    public async Task A_flood_of_nonsense_is_cut_to_a_sentence()
    {
        await using var rig = NewRig("head -c 20000000 /dev/urandom; echo; head -c 10000 /dev/zero | tr '\\0' x; exit 1");

        var outcome = await rig.RunAsync(BackendRig.Fake("noop"));

        Assert.Equal(RunReason.PolicyRefused, outcome.Reason);
        Assert.Equal($"The veto command of this host refused the run: {new string('x', 500)}", outcome.Message);
    }

    [Theory(Timeout = Limit)]
    [InlineData("printf '%0490d%s\n' 0 \"$S\"", "000***")]
    [InlineData("echo short; for i in $(seq 4000); do printf %s \"$S\"; done; echo", "refused the run: short")]
    [InlineData("for i in $(seq 4000); do printf %s \"$S\"; done", "gave no reason.")]
    public async Task Of_a_secret_that_its_reason_is_cut_through_nothing_is_shown(string print, string ending)
    {
        const string secret = "Bcdfghjklmnpqrstvwxyz-BCDFGHJKLMNPQRS";
        await using var rig = NewRig($"S={secret}; {{ {print}; }}; exit 1");
        rig.Options = rig.Options with { OtherSecrets = [secret] };

        var outcome = await rig.RunAsync(BackendRig.Fake("noop"));

        Assert.EndsWith(ending, outcome.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("cdf", outcome.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_that_takes_over_asks_again()
    {
        await using var rig = NewRig("exit 4");
        var attempt = rig.Claim(BackendRig.Fake("noop"));
        var left = Path.Combine(rig.PrivateOf(attempt), "veto");
        Directory.CreateDirectory(left);
        await File.WriteAllTextAsync(Path.Combine(left, "record.json"), "{", BackendRig.Cancellation);
        var backend = rig.CreateBackend();

        var outcome = await backend.RunAsync(rig.Adopt(attempt, backend), BackendRig.Cancellation);

        Assert.Equal(RunReason.PolicyRefused, outcome.Reason);
        Assert.False(Directory.Exists(left));
    }

    private static BackendRig NewRig(string command, TimeSpan? timeout = null)
    {
        var rig = new BackendRig();
        rig.Options = rig.Options with
        {
            Policy = new() { Veto = new() { Command = command, Environment = rig.Options.HostEnvironment, Timeout = timeout ?? TimeSpan.FromMinutes(2) } },
        };
        return rig;
    }
}
