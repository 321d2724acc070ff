using OzFunctions.Testing;
using OzFunctions.Testing.Azurite;

namespace OzFunctions.Cli.Tests.Pipelines;

/// <summary><c>install.sh</c> as a new user meets it, with a stand-in for the package: the right way, and each wrong one with its sentence.</summary>
public sealed class InstallerTests : IDisposable
{
    private const int Limit = 180_000;

    private static readonly string Root = Path.GetFullPath("../..", TestPackages.Directory);
    private static readonly string Script = Path.Combine(Root, "infra/package/install.sh");

    private readonly TempDirectory _place = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _place.Dispose();

    [Fact(Timeout = Limit)]
    public async Task It_needs_no_root_and_may_be_called_again()
    {
        var archive = await PackAsync("1.2.3");

        var first = await InstallAsync("--prefix", _place["prefix"], archive);
        var again = await InstallAsync($"--prefix={_place["prefix"]}", archive);

        Assert.True(first.ExitCode == 0, first.Errors);
        Assert.Contains($"export PATH=\"{_place["prefix"]}/bin:$PATH\"", first.Output, StringComparison.Ordinal);
        Assert.Equal((0, ""), (again.ExitCode, again.Errors));
        Assert.DoesNotContain("stays", again.Output, StringComparison.Ordinal);
        Assert.Equal("ozf 1.2.3", await AnswerAsync("prefix/bin/ozf"));
        Assert.Equal(["1.2.3"], Versions());
        foreach (var file in (string[])["share/bash-completion/completions/ozf", "share/zsh/site-functions/_ozf", "share/fish/vendor_completions.d/ozf.fish"])
        {
            Assert.True(File.Exists(_place[$"prefix/{file}"]), file);
        }
    }

    [Fact(Timeout = Limit)]
    public async Task A_relative_prefix_holds_from_everywhere()
    {
        var archive = await PackAsync("1.2.3");

        var answer = await ShellAsync($"cd {_place.Path} && {Script} --prefix prefix {archive}");

        Assert.True(answer.ExitCode == 0, answer.Errors);
        Assert.Contains($"ozf 1.2.3 is at {_place["prefix"]}/bin/ozf", answer.Output, StringComparison.Ordinal);
        Assert.Equal("ozf 1.2.3", await AnswerAsync("prefix/bin/ozf"));
    }

    [Fact(Timeout = Limit)]
    public async Task Another_version_takes_over_and_the_one_before_stays_for_what_runs_from_it()
    {
        await InstallAsync("--prefix", _place["prefix"], await PackAsync("1.2.3"));

        var newer = await InstallAsync("--prefix", _place["prefix"], await PackAsync("1.3.0"));
        var built = await InstallAsync("--prefix", _place["prefix"], await PackAsync("1.3.0", "# built again"));

        Assert.Contains($"{_place["prefix"]}/lib/ozf/1.2.3 stays for what still runs from it", newer.Output, StringComparison.Ordinal);
        Assert.Contains($"{_place["prefix"]}/lib/ozf/1.3.0 stays", built.Output, StringComparison.Ordinal);
        Assert.Equal("ozf 1.3.0", await AnswerAsync("prefix/bin/ozf"));
        Assert.Equal(["ozf 1.2.3", "ozf 1.3.0"], [await AnswerAsync("prefix/lib/ozf/1.2.3/ozf"), await AnswerAsync("prefix/lib/ozf/1.3.0/ozf")]);
        Assert.Equal(3, Versions().Count);
        Assert.DoesNotContain("built again", await File.ReadAllTextAsync(_place["prefix/lib/ozf/1.3.0/ozf"], Cancellation), StringComparison.Ordinal);
        Assert.Contains("built again", await File.ReadAllTextAsync(_place["prefix/bin/ozf"], Cancellation), StringComparison.Ordinal);
    }

    [Fact(Timeout = Limit)]
    public async Task An_archive_that_is_not_the_one_of_the_checksums_is_refused()
    {
        var archive = await PackAsync("1.2.3");
        File.Copy(archive, _place["renamed.tar.gz"]);
        var unnamed = await InstallAsync("--prefix", _place["prefix"], _place["renamed.tar.gz"]);
        await File.AppendAllTextAsync(archive, "x", Cancellation);
        var changed = await InstallAsync("--prefix", _place["prefix"], archive);
        File.Delete(_place["SHA256SUMS"]);
        await File.WriteAllBytesAsync(archive, (await File.ReadAllBytesAsync(archive, Cancellation))[..100], Cancellation);
        var cut = await InstallAsync("--prefix", _place["prefix"], archive);

        Refused(unnamed, 69, "SHA256SUMS does not name renamed.tar.gz; nothing was installed");
        Refused(changed, 69, $"{archive} is not what SHA256SUMS says; nothing was installed");
        Refused(cut, 69, $"no SHA256SUMS beside {archive}, so it is not checked", $"{archive} cannot be unpacked");
    }

    [Fact(Timeout = Limit)]
    public async Task A_package_for_another_machine_is_refused_with_what_the_system_says()
    {
        await PackAsync("1.2.3");
        await File.WriteAllTextAsync(_place["ozf-1.2.3-linux-x64/ozf"], "\u007fELF of another machine", Cancellation);

        var answer = await ShellAsync($"{_place["ozf-1.2.3-linux-x64/install.sh"]} --prefix {_place["prefix"]}");

        Refused(answer, 69, "ozf-1.2.3-linux-x64 does not run on this machine (", "nothing was installed. It says: ");
        Assert.EndsWith("Exec format error", answer.Errors.Trim(), StringComparison.OrdinalIgnoreCase);
    }

    [Fact(Timeout = Limit)]
    public async Task A_place_that_cannot_be_written_and_a_file_that_is_another_s_are_left_alone()
    {
        var archive = await PackAsync("1.2.3");
        await File.WriteAllTextAsync(_place["file"], "", Cancellation);
        Directory.CreateDirectory(_place["own/bin"]);
        await File.WriteAllTextAsync(_place["own/bin/ozf"], "mine", Cancellation);

        Refused(await InstallAsync("--prefix", _place["file"], archive), 69, $"{_place["file"]}/bin cannot be written by ", "Choose another place with --prefix DIR");
        Refused(await InstallAsync("--prefix", _place["own"], archive), 69, $"{_place["own"]}/bin/ozf is there already and was not put there by this script");
        Assert.Equal("mine", await File.ReadAllTextAsync(_place["own/bin/ozf"], Cancellation));
    }

    [Fact(Timeout = Limit)]
    public async Task A_call_that_says_nothing_clear_is_refused()
    {
        var archive = await PackAsync("1.2.3");

        Refused(await InstallAsync("--prefix"), 64, "--prefix needs a directory");
        Refused(await InstallAsync("--prefix", "", archive), 64, "--prefix needs a directory");
        Refused(await InstallAsync("--perfix", "x", archive), 64, "unknown flag '--perfix'; --prefix DIR is known");
        Refused(await InstallAsync("--prefix", _place["prefix"], archive, archive), 64, "one archive at a time");
        Refused(await InstallAsync("--prefix", _place["prefix"], _place["none.tar.gz"]), 64, $"there is no {_place["none.tar.gz"]}");
        Refused(await InstallAsync("--prefix", _place["prefix"]), 64, "there is no package beside this script");
        Refused(await ShellAsync($"unset HOME; {Script} {archive}"), 64, "HOME is not set; say where with --prefix DIR");
    }

    /// <summary>An archive, its SHA256SUMS beside it, and the directory that it was made of.</summary>
    private async Task<string> PackAsync(string version, string comment = "")
    {
        var name = $"ozf-{version}-linux-x64";
        foreach (var (path, text) in new[] { ("ozf", $"#!/bin/sh\n{comment}\necho ozf {version}\n"), ("shim/ozf-shim", "shim"), ("completions/ozf.bash", "b"), ("completions/_ozf", "z"), ("completions/ozf.fish", "f") })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_place[$"{name}/{path}"])!);
            await File.WriteAllTextAsync(_place[$"{name}/{path}"], text, Cancellation);
        }

        var packed = await ShellAsync($"cd {_place.Path} && cp {Script} {name}/ && chmod +x {name}/ozf && tar -czf {name}.tar.gz {name} && sha256sum {name}.tar.gz > SHA256SUMS");
        Assert.True(packed.ExitCode == 0, packed.Errors);
        return _place[$"{name}.tar.gz"];
    }

    private static Task<(int ExitCode, string Output, string Errors)> InstallAsync(params string[] arguments) => TestProcess.RunAsync("/bin/sh", [Script, .. arguments], Cancellation);

    private static Task<(int ExitCode, string Output, string Errors)> ShellAsync(string line) => TestProcess.RunAsync("/bin/sh", ["-c", line], Cancellation);

    private async Task<string> AnswerAsync(string program) => (await TestProcess.RunAsync(_place[program], [], Cancellation)).Output.Trim();

    private List<string> Versions() => [.. Directory.GetDirectories(_place["prefix/lib/ozf"]).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    /// <summary>Every line on stderr is the script's own, and nothing is where it would have been installed.</summary>
    private void Refused((int ExitCode, string Output, string Errors) answer, int code, params string[] said)
    {
        Assert.Equal(code, answer.ExitCode);
        Assert.All(said, part => Assert.Contains(part, answer.Errors, StringComparison.Ordinal));
        Assert.All(answer.Errors.Trim().Split('\n'), line => Assert.StartsWith("install.sh: ", line, StringComparison.Ordinal));
        Assert.False(Directory.Exists(_place["prefix"]));
    }
}
