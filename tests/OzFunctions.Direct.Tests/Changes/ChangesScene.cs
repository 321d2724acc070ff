using System.Diagnostics;
using OzFunctions.Direct.Artifacts;
using OzFunctions.Direct.Attempts;
using OzFunctions.Direct.Changes;
using OzFunctions.Direct.Environments;

namespace OzFunctions.Direct.Tests.Changes;

/// <summary>A workspace whose changes are recorded by the real command with real git, without a shim around it.</summary>
internal sealed class ChangesScene : IDisposable
{
    private readonly TempDirectory _temp = new();
    private IReadOnlyDictionary<string, string> _heads = new Dictionary<string, string>();
    private ChangesCommand? _command;

    public ChangesScene()
    {
        Directory.CreateDirectory(Workspace);
        new AttemptPlaces(Private).Make(privateHome: true);

        // Writes down that it ran, and behaves as whatever it stands in for would.
        Canary = _temp.Write("canary.sh", $"#!/bin/sh\necho \"$0 $*\" >>{CanaryMark}\ncase $1 in clean|smudge) cat ;; esac\nexit 0\n", executable: true);
        _temp.Write("git-config", "[user]\nname = t\nemail = t@t\n[protocol \"file\"]\nallow = always\n[advice]\ndetachedHead = false\n[init]\ndefaultBranch = main\n");
    }

    public DirectOptions Options { get; set; } = new() { HostEnvironment = new Dictionary<string, string> { ["PATH"] = "/usr/local/bin:/usr/bin:/bin" } };

    public string Workspace => _temp["ws"];

    public string Canary { get; }

    public string CanaryMark => _temp["canary-ran"];

    public bool CanaryRan => File.Exists(CanaryMark);

    public string Log { get; private set; } = "";

    private string Private => _temp["private"];

    public string this[string name] => _temp[name];

    /// <summary>What setup or agent does, in the workspace; <c>$CANARY</c> is the program that must not run later on.</summary>
    public async Task ShAsync(string script)
    {
        var (exitCode, output) = await RunAsync(["/bin/sh", "-ec", script], ["GIT_CONFIG_GLOBAL=" + _temp["git-config"], "GIT_CONFIG_NOSYSTEM=1", "PATH=/usr/bin:/bin", "HOME=" + _temp.Path, "CANARY=" + Canary, "TOP=" + _temp.Path]);
        Assert.True(exitCode == 0, output);
    }

    public void SetupIsOver() => _heads = Repositories.ReadHeads(Workspace);

    /// <summary>Records; answers the patches by name.</summary>
    public async Task<IReadOnlyDictionary<string, string>> RecordAsync(params KeyValuePair<string, string>[] fromSetup)
    {
        var places = new AttemptPlaces(Private);
        var environment = new CommandEnvironment(Options, places, Workspace, TestRecords.Claimed(new Requests.RunRequest { Prompt = "x" })).ForChanges(fromSetup);
        _command = new ChangesCommand(Options, places, Workspace);
        if (_command.Find(_heads, environment, []) is not { } command)
        {
            return new Dictionary<string, string>();
        }

        (ExitCode, Log) = await RunAsync([.. command.Arguments], [.. command.Environment]);
        return _command.ReadPatches().Where(patch => patch.LeftOut is null).ToDictionary(patch => patch.Name, patch => File.ReadAllText(patch.Path, System.Text.Encoding.Latin1));
    }

    public int ExitCode { get; private set; }

    /// <summary>What is named and left out, with the reason.</summary>
    public IReadOnlyList<ArtifactSource> LeftOut => [.. _command!.ReadPatches().Concat(_command.ReadLargeFiles()).Where(source => source.LeftOut is not null)];

    /// <summary>Every file of the workspace with size, time and content's hash, to see that recording changed nothing.</summary>
    public IReadOnlyList<string> Fingerprint() => [.. Directory.EnumerateFiles(_temp.Path, "*", SearchOption.AllDirectories)
        .Where(path => !path.StartsWith(Private + "/", StringComparison.Ordinal))
        .Order(StringComparer.Ordinal)
        .Select(path => $"{path} {File.GetLastWriteTimeUtc(path):O} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)))}")];

    public void Dispose() => _temp.Dispose();

    private async Task<(int ExitCode, string Output)> RunAsync(IReadOnlyList<string> command, IEnumerable<string> environment)
    {
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(command[0], command.Skip(1)) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Workspace },
        };
        process.StartInfo.Environment.Clear();
        foreach (var variable in environment)
        {
            var equals = variable.IndexOf('=', StringComparison.Ordinal);
            process.StartInfo.Environment[variable[..equals]] = variable[(equals + 1)..];
        }

#pragma warning disable RS0030 // The command as the shim would start it: this program, these arguments, this environment and nothing else.
        process.Start();
#pragma warning restore RS0030
        var errors = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, output + await errors);
    }
}
