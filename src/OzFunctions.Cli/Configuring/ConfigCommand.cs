using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Cli.Stores;
using OzFunctions.Configuration;

namespace OzFunctions.Cli.Configuring;

/// <summary><c>ozf config …</c>: what is in force, and what is wrong with a file before a host reads it.</summary>
internal static class ConfigCommand
{
    public static Command Create(Surroundings surroundings) => new Command("config", "Show or check the configuration").With(
        CreateShow(surroundings), CreateValidate(surroundings));

    private static Command CreateShow(Surroundings surroundings) =>
        new Command("show", "Show the configuration in force, secrets hidden").Does(surroundings, (context, _) =>
        {
            var settings = context.Settings;
            var text = ConfigurationText.Show(settings.Configuration with { Data = settings.DataDirectory, Storage = Shown(settings) });
            if (context.Screen.Json)
            {
                context.Screen.WriteStored(YamlJson.Serialize(YamlTree.Read(text)!));
            }
            else
            {
                context.Screen.Out.Write(text);
            }

            return Task.FromResult(ExitCodes.Success);
        });

    /// <summary>The account by its source or, when a flag says it, by its address: the flag may hold a key.</summary>
    private static StorageConfiguration? Shown(Settings settings) => settings.Storage switch
    {
        null or { Origin: "storage" } => settings.Configuration.Storage,
        { Origin: StorageSetting.Variable } => new(SecretSource.FromEnv(StorageSetting.Variable), null),
        var flag => new(null, AzureStore.NameOf(flag)),
    };

    private static Command CreateValidate(Surroundings surroundings)
    {
        var file = new Argument<string?>("file") { Description = "The file [default: --config-file, $OZF_CONFIG]", Arity = ArgumentArity.ZeroOrOne };
        return new Command("validate", "Check a configuration file").With(file).Does(surroundings, (context, _) =>
        {
            var path = context.Get(file) ?? Settings.FindConfigFile(context.Get(GlobalOptions.ConfigFile), context.Surroundings)
                ?? throw CommandException.Usage("give the file to check: ozf config validate FILE");
            var result = Settings.ReadConfiguration(path, StorageSetting.Find(context.Get(GlobalOptions.Storage), context.Surroundings), context.Surroundings);

            // A secret that this machine lacks may be there on the host: said, not a fault of the file.
            var missing = result.Configuration is { } configuration ? SecretValues.Resolve(configuration, context.Surroundings.Environment).Faults : [];
            Show(context.Screen, path, result, missing);
            return Task.FromResult(result.IsValid ? ExitCodes.Success : ExitCodes.Usage);
        });
    }

    private static void Show(Screen screen, string path, ConfigurationResult result, IReadOnlyList<ConfigurationFault> missing)
    {
        if (screen.Json)
        {
            screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteBoolean("valid", result.IsValid);
                Write(json, "faults", result.Faults);
                Write(json, "warnings", missing);
                json.WriteEndObject();
            });
            return;
        }

        foreach (var fault in result.Faults)
        {
            screen.Fail(fault.ToString());
        }

        foreach (var warning in missing)
        {
            screen.Warn(warning.ToString());
        }

        if (result.IsValid)
        {
            screen.Line($"{path} is valid.");
        }
    }

    private static void Write(System.Text.Json.Utf8JsonWriter json, string name, IReadOnlyList<ConfigurationFault> faults)
    {
        json.WriteStartArray(name);
        foreach (var fault in faults)
        {
            json.WriteStartObject();
            json.WriteString("key", fault.Key);
            if (fault.Value is not null)
            {
                json.WriteString("value", fault.Value);
            }

            json.WriteString("rule", fault.Rule);
            if (fault.Line is { } line)
            {
                json.WriteNumber("line", line);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
