using System.Text;
using System.Text.Json;
using OzFunctions.Cli.Tests.Processes;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests.Unmanaged;

/// <summary>What tests of <c>ozf exec</c> need beside the rig of processes.</summary>
internal static class ExecRig
{
    /// <summary>Writes an executable shell script; answers its path.</summary>
    public static string Script(this OzfProcessRig rig, string name, string text)
    {
        var path = Path.Combine(rig.Place, name);
        File.WriteAllText(path, "#!/bin/sh\n" + text + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    /// <summary>A line as typed into a shell, with <c>ozf</c> in its PATH; the bytes of both streams as Latin-1, so that none is lost.</summary>
    public static async Task<(int ExitCode, string Output, string Error)> RawAsync(this OzfProcessRig rig, string line)
    {
        var (output, error) = (Path.Combine(rig.Place, "raw.out"), Path.Combine(rig.Place, "raw.err"));
        var environment = new Dictionary<string, string?>
        {
            ["OZF_DATA"] = rig.Data,
            ["HOME"] = rig.Place,
            ["TMPDIR"] = Path.Combine(rig.Place, "tmp"),
            ["OZF_CONFIG"] = Path.Combine(rig.Place, "ozf.yaml"),
            ["NO_COLOR"] = "1",
            ["PATH"] = Path.GetDirectoryName(rig.Program) + ":" + Environment.GetEnvironmentVariable("PATH"),
        };
        Directory.CreateDirectory(environment["TMPDIR"]!);
        await using var shell = TestProcess.Start("/bin/sh", ["-c", $"{{ {line}\n}} >'{output}' 2>'{error}' </dev/null"], environment, rig.Place);
        var code = await shell.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (code, await File.ReadAllTextAsync(output, Encoding.Latin1), await File.ReadAllTextAsync(error, Encoding.Latin1));
    }

    /// <summary>The newest run's record.</summary>
    public static async Task<JsonElement> LastRunAsync(this OzfProcessRig rig)
    {
        var (code, output, error) = await rig.RunAsync("runs", "list", "--output", "json");
        Assert.True(code == 0, error);
        return await rig.GetAsync(JsonDocument.Parse(output).RootElement.GetProperty("runs")[0].GetProperty("run_id").GetString()!);
    }
}
