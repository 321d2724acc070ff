using System.Text;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Requests;

namespace OzFunctions.Cli.Unmanaged;

/// <summary>How an agent is called that is not <c>oz</c>: its program, its arguments, and what its output is read as.</summary>
internal sealed record ForeignAgent(string Program, IReadOnlyList<string> Arguments, string? Harness)
{
    private const string Place = "{prompt}";

    /// <summary>The agents that are known by name.</summary>
    public static readonly string[] Names = ["oz", "claude", "codex", "gemini"];

    /// <summary>Null: it is <c>oz</c>. No prompt of those known by name is taken for an option, a subcommand or the value of one, whatever it begins with; another command gets it where it says.</summary>
    /// <param name="name">By <c>--agent</c>.</param>
    /// <param name="command">By <c>--agent-command</c>.</param>
    /// <param name="request">With prompt and model.</param>
    /// <param name="rest">What the caller wrote behind <c>--</c>.</param>
    /// <param name="surroundings">Where the call is made.</param>
    public static ForeignAgent? Find(string? name, string? command, RunRequest request, IReadOnlyList<string> rest, Surroundings surroundings)
    {
        if (command is not null)
        {
            var own = OfCommand(command, request.Prompt, surroundings);
            return own with { Arguments = [.. own.Arguments, .. rest] };
        }

        var prompt = request.Prompt ?? "";
        var model = request.Model is { } id ? new[] { "--model", id } : [];
        return name switch
        {
            "claude" => new("claude", [.. model, "-p", .. rest, "--", prompt], "claude"),
            "codex" => new("codex", ["exec", .. model, .. rest, "--", prompt], "codex"),
            "gemini" => new("gemini", [.. model, $"--prompt={prompt}", .. rest], "gemini"),
            _ => null,
        };
    }

    private static ForeignAgent OfCommand(string command, string? prompt, Surroundings surroundings)
    {
        var words = Split(command) ?? throw CommandException.Usage($"--agent-command: '{command}': a quote is not closed.");
        if (words.Count == 0)
        {
            throw CommandException.Usage("--agent-command is empty; write a program and its arguments, with {prompt} where the prompt belongs.");
        }

        var arguments = words.Skip(1).Select(word => word.Replace(Place, prompt ?? "", StringComparison.Ordinal)).ToList();
        if (prompt is not null && !words.Exists(word => word.Contains(Place, StringComparison.Ordinal)))
        {
            arguments.Add(prompt);
        }

        var program = words[0].Contains('/', StringComparison.Ordinal) ? Path.GetFullPath(Path.Combine(surroundings.Directory, words[0])) : words[0];
        return new(program, arguments, null);
    }

    /// <summary>Words as a shell separates them, without a shell: quotes and backslashes only. Null: a quote is open.</summary>
    internal static List<string>? Split(string command)
    {
        var words = new List<string>();
        StringBuilder? word = null;
        var quote = '\0';
        for (var i = 0; i < command.Length; i++)
        {
            var c = command[i];
            if (quote == '\0' && char.IsWhiteSpace(c))
            {
                if (word is not null)
                {
                    words.Add(word.ToString());
                    word = null;
                }

                continue;
            }

            word ??= new();
            if (c == quote)
            {
                quote = '\0';
            }
            else if (quote == '\0' && c is '\'' or '"' && quote == '\0')
            {
                quote = c;
            }
            else if (c == '\\' && quote != '\'' && i + 1 < command.Length && (quote == '\0' || command[i + 1] is '"' or '\\'))
            {
                word.Append(command[++i]);
            }
            else
            {
                word.Append(c);
            }
        }

        if (word is not null)
        {
            words.Add(word.ToString());
        }

        return quote == '\0' ? words : null;
    }
}
