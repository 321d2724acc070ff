using System.Text;
using System.Text.Json;
using OzFunctions.Blobs;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Logging;
using OzFunctions.Cli.Stores;
using OzFunctions.Testing;

namespace OzFunctions.Cli.Tests;

/// <summary><c>ozf</c> called inside the test's own process, over a data directory that goes with the test.</summary>
internal sealed class OzfRig : IDisposable
{
    private readonly TempDirectory _place = new();

    public OzfRig()
    {
        Environment = new() { ["HOME"] = _place["home"], ["OZF_DATA"] = Data, ["PATH"] = System.Environment.GetEnvironmentVariable("PATH") ?? "" };
    }

    public string Place => _place.Path;

    public string Data => _place["data"];

    public Dictionary<string, string> Environment { get; }

    public string Write(string name, string text)
    {
        var path = _place[name];
        File.WriteAllText(path, text);
        return path;
    }

    /// <summary>Put around the store that commands open.</summary>
    public Func<IBlobStore, IBlobStore> Blobs { get; set; } = blobs => blobs;

    public Task<OzfAnswer> RunAsync(params string[] args) => RunAsync(args, stdin: "");

    public async Task<OzfAnswer> RunAsync(string[] args, string stdin)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await OzfProgram.RunAsync(args, Surroundings(output, error, stdin));
        return new(code, output.ToString(), error.ToString());
    }

    public Surroundings Surround() => Surroundings(TextWriter.Null, TextWriter.Null, "");

    /// <summary>The same store, for looking behind the commands.</summary>
    public OpenStore Open()
    {
        var surroundings = Surroundings(TextWriter.Null, TextWriter.Null, "");
        var settings = Settings.Load(null, new(), null, surroundings);
        return ConfiguredStore.Open(settings, surroundings, new LineLoggers(surroundings, Microsoft.Extensions.Logging.LogLevel.None, LogFormat.Text, text => text));
    }

    public void Dispose() => _place.Dispose();

    private Surroundings Surroundings(TextWriter output, TextWriter error, string stdin) => new()
    {
        Out = output,
        Error = error,
        In = () => new MemoryStream(Encoding.UTF8.GetBytes(stdin)),
        Environment = Environment,
        Directory = _place.Path,
        Ports = ports => ports with { Blobs = Blobs(ports.Blobs) },
    };
}

/// <summary>How one call of <c>ozf</c> ended.</summary>
internal sealed record OzfAnswer(int ExitCode, string Output, string Error)
{
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public string Line => Output.TrimEnd('\n');

    public OzfAnswer Ends(int exitCode)
    {
        Assert.True(ExitCode == exitCode, $"exit {ExitCode}, expected {exitCode}\n{Output}\n{Error}");
        return this;
    }
}
