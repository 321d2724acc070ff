using System.Text;

namespace OzFunctions.FakeAgent;

/// <summary>Verbs that tell a test what the agent was given.</summary>
internal static class Reports
{
    public static bool TryDo(Step step, AgentArguments arguments, AgentOutput output)
    {
        switch (step.Verb)
        {
            case "env":
                ShowEnvironment(step.Words, output);
                return true;
            case "args":
                Each("arg", Environment.GetCommandLineArgs().Skip(1), output);
                return true;
            case "mcp":
                Each("mcp", arguments.All("mcp").Select(spec => File.Exists(spec) ? File.ReadAllText(spec) : spec), output);
                return true;
            case "cwd":
                output.Say($"cwd {Directory.GetCurrentDirectory()}");
                return true;
            case "pid":
                output.Say($"pid {Environment.ProcessId}");
                return true;
            case "stdin":
                using (var input = Console.OpenStandardInput())
                {
                    output.Say($"stdin {(input.ReadByte() < 0 ? "empty" : "open")}");
                }

                return true;
            case "cat":
                output.Say(File.ReadAllText(step.Text));
                return true;
            case "say-env":
                output.Say(Value(step.Words[0]));
                return true;
            case "env-base64":
                output.Say(Convert.ToBase64String(Encoding.UTF8.GetBytes(Value(step.Words[0]))));
                return true;
            default:
                return false;
        }
    }

    /// <summary>Every name, and the values of those that are asked for.</summary>
    private static void ShowEnvironment(IReadOnlyList<string> shown, AgentOutput output)
    {
        foreach (var name in Environment.GetEnvironmentVariables().Keys.Cast<string>().Order(StringComparer.Ordinal))
        {
            output.Say(shown.Contains(name) ? $"env {name}={Environment.GetEnvironmentVariable(name)}" : $"env {name}");
        }
    }

    private static void Each(string word, IEnumerable<string> values, AgentOutput output)
    {
        var n = 0;
        foreach (var value in values)
        {
            output.Say($"{word} {++n}: {value}");
        }
    }

    public static string Value(string name) => Environment.GetEnvironmentVariable(name) ?? throw new AgentException($"fake-oz: {name} is not set", 91);
}
