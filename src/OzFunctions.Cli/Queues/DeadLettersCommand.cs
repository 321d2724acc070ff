using System.CommandLine;
using System.Text.Json;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Desks;
using OzFunctions.Cli.Screens;
using OzFunctions.DeadLetters;

namespace OzFunctions.Cli.Queues;

/// <summary><c>ozf dead-letters …</c>: messages no run could be made of.</summary>
internal static class DeadLettersCommand
{
    public static Command Create(Surroundings surroundings) => new Command("dead-letters", "Messages no run could be made of").With(
        CreateList(surroundings), CreateShow(surroundings), CreateRequeue(surroundings), CreatePurge(surroundings));

    private static Command CreateList(Surroundings surroundings) =>
        new Command("list", "List dead letters, newest first").Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenDesk();
            var letters = await desk.ListDeadLettersAsync(cancellationToken);
            if (context.Screen.Json)
            {
                context.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteStartArray("dead_letters");
                    foreach (var letter in letters)
                    {
                        JsonSerializer.Serialize(json, letter, DeadLetterJson.Wire.DeadLetter);
                    }

                    json.WriteEndArray();
                    json.WriteEndObject();
                });
                return ExitCodes.Success;
            }

            if (letters.Count == 0)
            {
                context.Screen.Note("No dead letters.");
                return ExitCodes.Success;
            }

            var table = new Table("ID", "RECEIVED", "REASON", "DESCRIPTION");
            foreach (var letter in letters)
            {
                table.Add(letter.Id, PlainText.Relative(letter.ReceivedAt, context.Now), letter.Reason, PlainText.OneLine(letter.Faults is [var first, ..] ? first.ToString() : letter.Description));
            }

            table.Write(context.Screen);
            return ExitCodes.Success;
        });

    private static Command CreateShow(Surroundings surroundings)
    {
        var id = new Argument<string>("id") { Description = "The dead letter" };
        return new Command("show", "Show one dead letter with its faults and body").With(id).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenDesk();
            var letter = await GetAsync(desk, context.Get(id)!, cancellationToken);
            if (context.Screen.Json)
            {
                context.Screen.WriteIndented(json => JsonSerializer.Serialize(json, letter, DeadLetterJson.Wire.DeadLetter));
                return ExitCodes.Success;
            }

            context.Screen.Line($"Dead letter  {context.Screen.Paint(letter.Id, Style.Strong)}");
            context.Screen.Line($"Queue        {letter.Queue}, message {letter.MessageId}");
            context.Screen.Line($"Received     {PlainText.Time(letter.ReceivedAt, context.Now)}");
            context.Screen.Line($"Reason       {context.Screen.Paint(letter.Reason, Style.Bad)}: {PlainText.OneLine(letter.Description)}");
            foreach (var fault in letter.Faults)
            {
                context.Screen.Line($"  - {PlainText.OneLine(fault.ToString())}");
            }

            context.Screen.Line();
            foreach (var line in letter.Body.ReplaceLineEndings("\n").Split('\n'))
            {
                context.Screen.Line(PlainText.OneLine(line));
            }

            return ExitCodes.Success;
        });
    }

    private static Command CreateRequeue(Surroundings surroundings)
    {
        var (ids, all) = Selection();
        var file = new Option<string?>("--file", "-f") { HelpName = "FILE", Description = "Send this body in its place (one id), - for stdin" };
        return new Command("requeue", "Put dead letters back on their queue").With(ids, all, file).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenDesk();
            var letters = await SelectAsync(context, desk, ids, all, cancellationToken);
            if (context.Get(file) is not null && letters.Count != 1)
            {
                throw CommandException.Usage("--file replaces the body of one dead letter: give one id.");
            }

            foreach (var letter in letters)
            {
                var body = context.Get(file) is { } path ? await InputFile.ReadAsync(path, context.Surroundings, cancellationToken) : (ReadOnlyMemory<byte>?)null;
                await desk.RequeueAsync(letter, body, cancellationToken);
            }

            Tell(context.Screen, "requeued", letters);
            return ExitCodes.Success;
        });
    }

    private static Command CreatePurge(Surroundings surroundings)
    {
        var (ids, all) = Selection();
        return new Command("purge", "Delete dead letters").With(ids, all).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenDesk();
            var letters = await SelectAsync(context, desk, ids, all, cancellationToken);
            foreach (var letter in letters)
            {
                await desk.RemoveDeadLetterAsync(letter, cancellationToken);
            }

            Tell(context.Screen, "purged", letters);
            return ExitCodes.Success;
        });
    }

    private static (Argument<string[]> Ids, Option<bool> All) Selection() =>
        (new("id") { Description = "Dead letters", Arity = ArgumentArity.ZeroOrMore }, new("--all") { Description = "All of them" });

    private static async Task<IReadOnlyList<DeadLetter>> SelectAsync(
        CommandContext context, IRunDesk desk, Argument<string[]> ids, Option<bool> all, CancellationToken cancellationToken)
    {
        var named = context.Get(ids) ?? [];
        if (context.Get(all) == named.Length > 0)
        {
            throw CommandException.Usage("give the ids of dead letters, or --all.");
        }

        if (context.Get(all))
        {
            return await desk.ListDeadLettersAsync(cancellationToken);
        }

        var letters = new List<DeadLetter>();
        foreach (var id in named.Distinct())
        {
            letters.Add(await GetAsync(desk, id, cancellationToken));
        }

        return letters;
    }

    private static async Task<DeadLetter> GetAsync(IRunDesk desk, string id, CancellationToken cancellationToken) =>
        await desk.FindDeadLetterAsync(id, cancellationToken) ?? throw CommandException.Usage($"there is no dead letter '{id}' (ozf dead-letters list).");

    private static void Tell(Screen screen, string done, IReadOnlyList<DeadLetter> letters)
    {
        if (!screen.Json)
        {
            screen.Line($"{PlainText.Count(letters.Count, "dead letter")} {done}.");
            return;
        }

        screen.WriteJson(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray(done);
            foreach (var letter in letters)
            {
                json.WriteStringValue(letter.Id);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        });
    }
}
