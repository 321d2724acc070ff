using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using OzFunctions.Blobs;
using OzFunctions.Cli.Screens;
using OzFunctions.Cli.Unmanaged;
using OzFunctions.Intake;
using OzFunctions.Runs;
using OzFunctions.Schedules;

namespace OzFunctions.Cli.CommandLine;

/// <summary>One call of <c>ozf</c>: parses, runs the command, and turns whatever goes wrong into a sentence and an exit code.</summary>
internal static class OzfProgram
{
    // Prompts may begin with '@': response files are off.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    public static async Task<int> RunAsync(IReadOnlyList<string> args, Surroundings surroundings)
    {
        var screen = new Screen(surroundings, json: false);
        try
        {
            var parsed = OzfCommands.Create(surroundings).Parse(args.Count == 0 ? ["--help"] : ShareArguments.Complete(args), Parsing);
            if (parsed.Action is HelpAction help)
            {
                help.MaxWidth = surroundings.Width;
            }
            else if (parsed.Errors.Count > 0)
            {
                return Refuse(parsed, screen, surroundings);
            }

            return await parsed.InvokeAsync(new()
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
                Output = surroundings.Out,
                Error = surroundings.Error,
            });
        }
        catch (Exception ex)
        {
            // The one boundary of this program: a person gets a sentence, a script an exit code.
            return Tell(ex, screen, surroundings);
        }
        finally
        {
            await surroundings.Out.FlushAsync();
            await surroundings.Error.FlushAsync();
        }
    }

    private static int Refuse(ParseResult parsed, Screen screen, Surroundings surroundings)
    {
        // One slip makes several errors: an unknown command explains what follows it, an unknown flag the words after it, and both the rest.
        var flags = parsed.UnmatchedTokens.Where(token => token.StartsWith('-')).ToList();
        var words = parsed.UnmatchedTokens.Except(flags).ToList();
        var unknown = words.Count > 0 && parsed.CommandResult.Command.Subcommands.Count > 0 ? words[..1] : flags.Count > 0 ? flags : words;
        var messages = unknown.Count > 0
            ? unknown.Select(token => Unknown(parsed, token)).ToList()
            : parsed.Errors.Select(error => Plain(error.Message)).Distinct().ToList();
        foreach (var message in messages)
        {
            screen.Fail(message);
        }

        screen.Note($"Try '{PathOf(parsed)} --help'.");
        ExecCommand.ClearResultFile(parsed, surroundings);
        return ExitCodes.Usage;
    }

    private static string Unknown(ParseResult parsed, string token)
    {
        var command = parsed.CommandResult.Command;
        var isFlag = token.StartsWith('-');
        var known = isFlag ? OptionsOf(parsed) : command.Subcommands.Where(sub => !sub.Hidden).Select(sub => sub.Name);
        var what = isFlag ? "flag" : command.Subcommands.Count > 0 ? "command" : "argument";
        var near = Spelling.FindNear(token, known);
        return $"unknown {what} '{PlainToken(token)}'" + (near is null ? "." : $"; did you mean '{near}'?");
    }

    /// <summary>The parser's messages on one line, without names of types: numbers are all that it parses here.</summary>
    private static string Plain(string message)
    {
        var line = string.Join(' ', message.Split((char[])['\n', '\r', '\t'], StringSplitOptions.RemoveEmptyEntries));
        var type = line.IndexOf(" as expected type ", StringComparison.Ordinal);
        return type < 0 ? line : line[..type] + ": a whole number is expected.";
    }

    private static string PlainToken(string token) => token.Length > 60 ? token[..60] + "…" : token;

    private static IEnumerable<string> OptionsOf(ParseResult parsed)
    {
        for (System.CommandLine.Parsing.SymbolResult? at = parsed.CommandResult; at is not null; at = at.Parent)
        {
            if (at is System.CommandLine.Parsing.CommandResult { Command: var command })
            {
                foreach (var option in command.Options.Where(option => at == parsed.CommandResult || option.Recursive))
                {
                    yield return option.Name;
                }
            }
        }
    }

    private static string PathOf(ParseResult parsed)
    {
        var names = new Stack<string>();
        for (System.CommandLine.Parsing.SymbolResult? at = parsed.CommandResult; at is not null; at = at.Parent)
        {
            names.Push(at is System.CommandLine.Parsing.CommandResult { Command: RootCommand } ? "ozf" : ((System.CommandLine.Parsing.CommandResult)at).Command.Name);
        }

        return string.Join(' ', names);
    }

    /// <summary>What a person is to know of the end of a call, and its exit code.</summary>
    internal static (int ExitCode, IReadOnlyList<string> Sentences) Explain(Exception exception) => exception switch
    {
        CommandException command => (command.ExitCode, command.Lines),
        ScheduleException { Refusal: ScheduleRefusal.Broken or ScheduleRefusal.Newer } => (ExitCodes.Unavailable, [exception.Message]),
        ScheduleException schedule => (ExitCodes.Usage, schedule.Message.Split(Environment.NewLine)),
        BlobStoreException or QueueFullException => (ExitCodes.Unavailable, [exception.Message]),
        UnreadableRecordException => (ExitCodes.Internal, [exception.Message]),
        OperationCanceledException => (ExitCodes.Cancelled, []),
        _ => (ExitCodes.Internal, [$"something went wrong inside ozf: {exception.GetType().Name}: {exception.Message.ReplaceLineEndings(" ").TrimEnd('.')}. OZF_DEBUG=1 shows where."]),
    };

    private static int Tell(Exception exception, Screen screen, Surroundings surroundings)
    {
        if (surroundings.Variable("OZF_DEBUG") == "1")
        {
            screen.Note(exception.ToString(), Style.Quiet);
        }

        var (exitCode, sentences) = Explain(exception);
        foreach (var sentence in sentences)
        {
            screen.Fail(sentence);
        }

        return exitCode;
    }
}
