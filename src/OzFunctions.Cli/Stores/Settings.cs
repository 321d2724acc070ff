using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Stores;
internal sealed record Settings
{
    public required string DataDirectory { get; init; }
    public Func<string, string> Mask { get; init; } = text => text;
    public static Settings Load(string? configFile, string? data, string? storage, Surroundings surroundings) => new() { DataDirectory = Stores.DataDirectory.Find(data, null, surroundings) };
}
