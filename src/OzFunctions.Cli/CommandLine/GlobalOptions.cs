using System.CommandLine;

namespace OzFunctions.Cli.CommandLine;

/// <summary>Flags that every command takes.</summary>
internal static class GlobalOptions
{
    public static readonly Option<string?> Data = new("--data")
    {
        Description = "Data directory [default: $OZF_DATA, else the configuration's, else ~/.local/state/ozf]",
        HelpName = "DIR",
        Recursive = true,
    };

    public static readonly Option<string?> ConfigFile = new("--config-file")
    {
        Description = "Configuration, one YAML document [default: $OZF_CONFIG]",
        HelpName = "FILE",
        Recursive = true,
    };

    public static readonly Option<string?> Storage = new("--storage")
    {
        Description = "Azure Storage instead of plain files: https address or connection string; keys rather in $OZF_STORAGE [default: $OZF_STORAGE, else the configuration's]",
        HelpName = "CONN",
        Recursive = true,
    };

    public static readonly Option<string?> Server = new("--server")
    {
        Description = "Ask the front door at this address instead of a store (run, runs, schedules, webhooks, workers, dead-letters)",
        HelpName = "URL",
        Recursive = true,
    };

    public static readonly Option<string?> KeyFile = new("--key-file")
    {
        Description = "Key for --server [default: $OZF_API_KEY; on this machine the data directory's]",
        HelpName = "FILE",
        Recursive = true,
    };

    public static readonly Option<string> Output = MakeOutput();

    private static Option<string> MakeOutput()
    {
        var output = new Option<string>("--output", "-o")
        {
            Description = "text for people, json for programs",
            HelpName = "text|json",
            Recursive = true,
            DefaultValueFactory = _ => "text",
        };
        output.AcceptOnlyFromAmong("text", "json");
        return output;
    }
}
