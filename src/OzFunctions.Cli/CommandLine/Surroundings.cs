using System.Text;
using OzFunctions.Protocol;

namespace OzFunctions.Cli.CommandLine;

/// <summary>What a command sees of the process it runs in; tests make their own.</summary>
internal sealed record Surroundings
{
    public required TextWriter Out { get; init; }

    public required TextWriter Error { get; init; }

    /// <summary>Standard input, opened when it is read.</summary>
    public required Func<Stream> In { get; init; }

    /// <summary>Where the bytes of an agent go that is run in front of its caller.</summary>
    public Func<Stream> OutBytes { get; init; } = Console.OpenStandardOutput;

    public Func<Stream> ErrorBytes { get; init; } = Console.OpenStandardError;

    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    public required string Directory { get; init; }

    public TimeProvider Time { get; init; } = new BootTimeProvider();

    /// <summary>Told after each step of the protocol; nobody listens but tests.</summary>
    public IProtocolProbe Probe { get; init; } = NoProbe.Instance;

    /// <summary>Put around the ports of the store that a command opens; tests put faults there.</summary>
    public Func<OzPorts, OzPorts> Ports { get; init; } = ports => ports;

    public bool OutIsTerminal { get; init; }

    public bool ErrorIsTerminal { get; init; }

    /// <summary>Columns of the terminal; without one, as many as a line needs.</summary>
    public int Width { get; init; } = int.MaxValue;

    /// <summary>An environment variable; null when unset or empty.</summary>
    public string? Variable(string name) => Environment.TryGetValue(name, out var value) && value.Length > 0 ? value : null;

    public static Surroundings OfThisProcess()
    {
        var variables = new Dictionary<string, string>(OperatingSystem.IsWindows() ? StringComparer.OrdinalIgnoreCase : StringComparer.Ordinal);
        foreach (System.Collections.DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            variables[(string)entry.Key] = (string?)entry.Value ?? "";
        }

        var outIsTerminal = !Console.IsOutputRedirected;
        return new()
        {
            Out = Open(Console.OpenStandardOutput(), autoFlush: outIsTerminal),
            Error = Open(Console.OpenStandardError(), autoFlush: true),
            In = Console.OpenStandardInput,
            Environment = variables,
            Directory = System.Environment.CurrentDirectory,
            OutIsTerminal = outIsTerminal,
            ErrorIsTerminal = !Console.IsErrorRedirected,
            Width = outIsTerminal ? Math.Max(Console.WindowWidth, 40) : int.MaxValue,
        };
    }

    private static TextWriter Open(Stream stream, bool autoFlush) =>
        TextWriter.Synchronized(new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = autoFlush });
}
