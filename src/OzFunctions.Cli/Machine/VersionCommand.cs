using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;
using System.Runtime.InteropServices;
using OzFunctions.Cli.CommandLine;

namespace OzFunctions.Cli.Machine;

/// <summary><c>ozf version</c></summary>
internal static class VersionCommand
{
    /// <summary>The product's version without build metadata.</summary>
    public static string Version { get; } =
        (typeof(VersionCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0").Split('+')[0];

    public static Command Create(Surroundings surroundings) => new Command("version", "Show the version").Does(surroundings, (context, _) =>
    {
        if (context.Screen.Json)
        {
            context.Screen.WriteJson(json =>
            {
                json.WriteStartObject();
                json.WriteString("version", Version);
                json.WriteString("runtime", Environment.Version.ToString());
                json.WriteString("platform", RuntimeInformation.RuntimeIdentifier);
                json.WriteEndObject();
            });
        }
        else
        {
            context.Screen.Line($"ozf {Version}");
        }

        return Task.FromResult(ExitCodes.Success);
    });
}

/// <summary><c>ozf --version</c></summary>
internal sealed class VersionAction(Surroundings surroundings) : SynchronousCommandLineAction
{
    public override int Invoke(ParseResult parseResult)
    {
        surroundings.Out.WriteLine($"ozf {VersionCommand.Version}");
        return ExitCodes.Success;
    }
}
