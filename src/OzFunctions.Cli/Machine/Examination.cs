using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using OzFunctions.Blobs;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Cli.Stores;
using OzFunctions.Cli.Workers;
using OzFunctions.Direct.Agents;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Leftovers;
using OzFunctions.Direct.Shims;
using OzFunctions.Direct.Shims.InProcess;
using OzFunctions.Direct.Workspaces;
using OzFunctions.Local;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Cli.Machine;

/// <summary>All checks of <c>ozf doctor</c>, one after the other. They make the data directory and the workspace root where these are missing, and leave nothing else.</summary>
internal sealed class Examination(CommandContext context)
{
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(10);

    private readonly List<Finding> _findings = [];

    public async Task<IReadOnlyList<Finding>> RunAsync(CancellationToken cancellationToken)
    {
        LookAtPlatform();
        if (LookAtConfiguration() is not { } settings)
        {
            return _findings;
        }

        await LookAtStoreAsync(settings, cancellationToken);
        if (CreateSetup(settings) is not { } setup)
        {
            return _findings;
        }

        await LookAtAgentAsync(settings, setup, cancellationToken);
        await LookAtGitAsync(cancellationToken);
        if (!HostSystem.IsLinux)
        {
            // The rest is about hosts of workers.
            LookAtClock();
            return _findings;
        }

        if (LookAtWorkspaces(setup))
        {
            LookAtAttempts(setup);
            await LookAtShimAsync(setup, cancellationToken);
            LookAtResources(setup);
        }

        LookAtWatches();
        LookAtClock();
        return _findings;
    }

    private void LookAtPlatform()
    {
        var system = $"{RuntimeInformation.OSDescription}, {RuntimeInformation.RuntimeIdentifier}";
        if (!HostSystem.IsLinux)
        {
            Fail("platform", $"{system}: workers need Linux (glibc) in this version.", "From here requests can be sent, runs watched, and agents run with 'ozf exec'.");
            Warn("ozf exec", InProcessShims.Missing, "Where that matters, run it on Linux.");
        }
        else if (RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal))
        {
            Fail("platform", $"{system}: this is musl, workers need glibc.", "Use a Debian, Ubuntu or Fedora based system.");
        }
        else
        {
            Ok("platform", $"{system}, ozf {VersionCommand.Version}");
        }
    }

    private Settings? LookAtConfiguration()
    {
        try
        {
            var settings = context.Settings;
            var faults = settings.Secrets.FindFaultsOfHost(settings.Configuration).ToList();
            if (faults.Count == 0)
            {
                Ok("configuration", settings.ConfigurationPath ?? "none, defaults apply");
                return settings;
            }

            foreach (var fault in faults)
            {
                Fail("configuration", fault.ToString());
            }
        }
        catch (CommandException ex)
        {
            foreach (var line in ex.Lines)
            {
                Fail("configuration", line);
            }
        }

        return null;
    }

    private WorkerSetup? CreateSetup(Settings settings)
    {
        try
        {
            var setup = WorkerSetup.Create(settings, new(), context.Surroundings.Environment);
            Ok("user", setup.Direct.User is { } account
                ? string.Create(CultureInfo.InvariantCulture, $"runs belong to {account.Name} (uid {account.Uid}, home {account.Home})")
                : $"runs belong to this host's own user, {Environment.UserName}");
            return setup;
        }
        catch (CommandException ex)
        {
            Fail("user", string.Join(' ', ex.Lines));
            return null;
        }
    }

    private void LookAtLimits(IReadOnlyDictionary<string, string>? mechanisms)
    {
        if (mechanisms is null)
        {
            Ok("limits", "none set for a run (backend.direct.limits)");
        }
        else
        {
            Ok("limits", string.Join("; ", mechanisms.GroupBy(pair => pair.Value, pair => pair.Key).Select(group => $"{string.Join(", ", group)} {Explain(group.Key)}")));
        }

        static string Explain(string mechanism) => mechanism switch
        {
            LimitMechanism.Cgroup => "by cgroup",
            LimitMechanism.Sampled => "sampled (no cgroup v2 is delegated to this host)",
            LimitMechanism.Process => "by the kernel for each process",
            LimitMechanism.Measured => "measured on disk",
            _ => "counted",
        };
    }

    private async Task LookAtStoreAsync(Settings settings, CancellationToken cancellationToken)
    {
        try
        {
            using var loggers = context.Loggers(LogLevel.None);
            await using var store = ConfiguredStore.Open(settings, context.Surroundings, loggers);
            if (store.IsRemote)
            {
                await store.RepairAsync(without => Warn("storage", without, "Look at the queue service of the account, its address and its firewall."), cancellationToken);
            }

            Ok(store.IsRemote ? "storage" : "data directory", store.Name);
            var name = $"doctor/{Guid.NewGuid():N}";
            var blobs = store.Core.Ports.Blobs;
            var began = Stopwatch.GetTimestamp();
            var written = await blobs.TryCreateAsync(name, "doctor"u8.ToArray(), null, cancellationToken);
            var took = Stopwatch.GetElapsedTime(began);
            var read = await blobs.FindAsync(name, cancellationToken);
            await blobs.TryDeleteAsync(name, match: null, cancellationToken);
            if (written is null || read is null || !read.Content.Span.SequenceEqual("doctor"u8))
            {
                Fail("store", "What was written could not be read back.", $"Look for other programs that change {(store.IsRemote ? "the container" : "files below the data directory")}.");
                return;
            }

            Judge(
                took < TimeSpan.FromMilliseconds(store.IsRemote ? 1000 : 100),
                "store",
                string.Create(CultureInfo.InvariantCulture, $"readable and writable, a durable write takes {took.TotalMilliseconds:0.0} ms"),
                store.IsRemote ? "The account is far away or throttled; hosts work, and each step takes longer." : "The disk syncs slowly; a local SSD helps.");
            if (!store.IsRemote && read.Age > TimeSpan.FromMinutes(1))
            {
                Warn("store", $"A file just written is said to be {PlainText.Duration(read.Age)} old: the file system's clock differs from this machine's.", "Leases would be judged wrongly; use a local disk.");
            }
        }
        catch (CommandException ex)
        {
            Fail("storage", string.Join(' ', ex.Lines));
        }
        catch (BlobStoreException ex)
        {
            Fail(settings.Storage is null ? "data directory" : "storage", ex.Message);
        }
    }

    private async Task LookAtAgentAsync(Settings settings, WorkerSetup setup, CancellationToken cancellationToken)
    {
        var (path, fault) = AgentLookup.Find(setup.Direct);
        if (path is null)
        {
            Fail("agent", fault!);
        }
        else
        {
            await AskAgentAsync(path, settings, setup, cancellationToken);
        }

        if (setup.LacksApiKey)
        {
            Warn("WARP_API_KEY", "No run gets it, so oz would ask for a login.", "Give it with -e WARP_API_KEY, in backend.direct.agent_environment, or from the setup's environment file.");
        }
        else
        {
            var given = setup.Direct.Environment.Concat(setup.Direct.AgentEnvironment).FirstOrDefault(entry => entry.Name == WorkerSetup.ApiKey);
            Judge(
                given is null || (given.Value ?? context.Surroundings.Variable(WorkerSetup.ApiKey)) is { Length: > 0 },
                "WARP_API_KEY",
                given is null ? "not needed, the agent is not oz" : given.Value is null && context.Surroundings.Variable(WorkerSetup.ApiKey) is null ? "Runs are to get it from this host's environment, which has none." : "reaches the agent",
                "Set it where the worker is started.");
        }
    }

    /// <summary>As a host asks it: as the account of runs, and with nothing left running.</summary>
    private async Task AskAgentAsync(string path, Settings settings, WorkerSetup setup, CancellationToken cancellationToken)
    {
        var directory = Path.Combine(Path.GetTempPath(), "ozf-doctor-" + Guid.NewGuid().ToString("N"));
        IShims shims = HostSystem.IsLinux ? new Shims(new(ShimBinary.Beside(AppContext.BaseDirectory)), context.Time) : new InProcessShims(context.Time);
        try
        {
            var answer = await new AgentVersions(context.Surroundings.Environment, AnswerWithin).AskAsync(path, setup.Direct.User, new Inquiry(shims, directory, context.Time), cancellationToken);
            var fault = answer.Status switch
            {
                { SpawnError: not 0, StopDetail: var detail } => $"cannot be executed: {detail}",
                null or { StoppedBy: not null } => "did not answer --version in time.",
                { ExitCode: 0 } => null,
                { Signal: { } signal } => $"did not answer --version, it was ended by signal {SignalNames.Get(signal)}.",
                { ExitCode: var code } => $"did not answer --version, it ended with {code}.",
            };
            Judge(fault is null, "agent", fault is null ? $"{path} ({settings.Mask(answer.Output[0])})" : $"{path} {fault}", "Try it by hand; a wrong file at backend.direct.oz_path fails every run.");
        }
        catch (Exception ex) when (ex is ShimException or IOException or UnauthorizedAccessException)
        {
            Warn("agent", $"{path} was not asked for its version: {ex.Message}");
        }
        finally
        {
            TreeRemover.RemoveOnce(directory);
        }
    }

    private async Task LookAtGitAsync(CancellationToken cancellationToken)
    {
        var environment = new Dictionary<string, string> { ["PATH"] = context.Surroundings.Variable("PATH") ?? "/usr/bin:/bin" };
        var answer = await ShortProcess.AskAsync("git", ["--version"], environment, context.Surroundings.Directory, AnswerWithin, context.Time, cancellationToken);
        Judge(answer is { ExitCode: 0 }, "git", answer is { ExitCode: 0 } ? answer.Output.Trim() : "not found: no changes.patch is kept of runs.", "Install git.");
    }

    private bool LookAtWorkspaces(WorkerSetup setup)
    {
        try
        {
            LocalHost.CheckWorkspaces(setup.Direct);
            Ok("workspaces", setup.Direct.TargetDir is { } target ? $"{target} (shared by all runs)" : setup.Direct.WorkspaceRoot);
            return true;
        }
        catch (CommandException ex)
        {
            Fail("workspaces", string.Join(' ', ex.Lines));
            return false;
        }
    }

    private void LookAtAttempts(WorkerSetup setup)
    {
        var (attended, sentences) = AttemptsAtRest.Look(setup.Direct);
        foreach (var sentence in sentences)
        {
            Warn("attempts", sentence);
        }

        if (sentences.Count == 0)
        {
            Ok("attempts", string.Create(CultureInfo.InvariantCulture, $"{attended} under way, no process is left of others"));
        }
    }

    private async Task LookAtShimAsync(WorkerSetup setup, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<string, string>? mechanisms = null;
        var directory = Path.Combine(setup.Direct.WorkspaceRoot, ".ozf", "doctor-" + Guid.NewGuid().ToString("N")[..8]);
        try
        {
            var binary = await ShimBinary.InstallAsync(ShimBinary.Beside(AppContext.BaseDirectory), setup.Direct.WorkspaceRoot, cancellationToken);
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var began = Stopwatch.GetTimestamp();
            await using (var shim = await new Shims(new(binary), context.Time).LaunchAsync(new() { PrivateDirectory = directory, Lease = TimeSpan.FromMinutes(1), Limits = setup.Direct.Limits }, cancellationToken))
            {
                mechanisms = shim.Status.Limits;
                await shim.EndAsync(cancellationToken);
            }

            Ok("shim", string.Create(CultureInfo.InvariantCulture, $"starts and ends in {Stopwatch.GetElapsedTime(began).TotalMilliseconds:0} ms (version {ShimProtocol.Version})"));
            LookAtLimits(mechanisms);
        }
        catch (Exception ex) when (ex is ShimException or IOException or UnauthorizedAccessException)
        {
            Fail("shim", ex.Message, "A workspace root mounted noexec cannot hold it; set backend.direct.workspace_root.");
        }
        finally
        {
            if (Directory.Exists(directory))
            {
                Directory.Delete(directory, recursive: true);
            }
        }
    }

    private void LookAtResources(WorkerSetup setup)
    {
        // The agent comes last there and has a line of its own here.
        var shortage = new Shortages(setup.Direct).Find() is { } found && found != AgentLookup.Find(setup.Direct).Fault ? found : null;
        Judge(shortage is null, "disk and memory", shortage ?? "above the watermarks", "The worker takes no runs until there is room; raise it or lower the limit.", fails: true);
    }

    private void LookAtWatches()
    {
        var instances = ReadNumber("/proc/sys/fs/inotify/max_user_instances");
        var watches = ReadNumber("/proc/sys/fs/inotify/max_user_watches");
        Judge(
            instances is null or >= 64 && watches is null or >= 1024,
            "file watches",
            instances is null ? "limits not known" : string.Create(CultureInfo.InvariantCulture, $"inotify: {instances} instances, {watches} watches"),
            "Few are left for others: raise fs.inotify.max_user_instances; without watches hosts look every 50 ms instead.");
    }

    private void LookAtClock()
    {
        var now = context.Now;
        Judge(
            now.Year is >= 2025 and < 2100,
            "clock",
            Json.TimeText.Format(now),
            "Set it (timedatectl set-ntp true): run ids, schedules and expiry are times.");
    }

    private static long? ReadNumber(string path)
    {
        try
        {
            return long.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, out var number) ? number : null;
        }
        catch (Exception ex) when (ex is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void Judge(bool good, string check, string text, string wayOut, bool fails = false)
    {
        if (good)
        {
            Ok(check, text);
        }
        else if (fails)
        {
            Fail(check, text, wayOut);
        }
        else
        {
            Warn(check, text, wayOut);
        }
    }

    private void Ok(string check, string text) => _findings.Add(new(check, Health.Ok, text));

    private void Warn(string check, string text, string? wayOut = null) => _findings.Add(new(check, Health.Warn, text, wayOut));

    private void Fail(string check, string text, string? wayOut = null) => _findings.Add(new(check, Health.Fail, text, wayOut));
}
