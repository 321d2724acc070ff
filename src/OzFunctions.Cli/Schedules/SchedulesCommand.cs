using System.CommandLine;
using System.Text.Json.Nodes;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Cli.Submitting;
using OzFunctions.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Schedules;

namespace OzFunctions.Cli.Schedules;

/// <summary><c>ozf schedules …</c>: what starts runs by the clock.</summary>
internal static class SchedulesCommand
{
    private const int MostTimes = 1000;

    public static Command Create(Surroundings surroundings) => new Command("schedules", "Start runs by the clock").With(
        CreateList(surroundings),
        CreateGet(surroundings),
        CreateCreate(surroundings),
        CreateUpdate(surroundings),
        CreateDelete(surroundings),
        CreateSwitch(surroundings, "pause", "Start nothing until it is resumed", paused: true),
        CreateSwitch(surroundings, "resume", "Go on from now", paused: false, "unpause"),
        CreateRun(surroundings),
        CreateNext(surroundings));

    private static Command CreateList(Surroundings surroundings) =>
        new Command("list", "List schedules").Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenScheduleDesk();
            ScheduleText.WriteList(context, await desk.ListAsync(cancellationToken));
            return ExitCodes.Success;
        });

    private static Command CreateGet(Surroundings surroundings)
    {
        var name = Name();
        return new Command("get", "Show a schedule").With(name).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenScheduleDesk();
            ScheduleText.Write(context, await desk.GetAsync(context.Get(name)!, cancellationToken));
            return ExitCodes.Success;
        });
    }

    private static Command CreateCreate(Surroundings surroundings)
    {
        var (name, options, request) = (Name(), new ScheduleOptions(), new RequestOptions());
        var paused = new Option<bool>("--paused") { Description = "Start nothing until it is resumed", Arity = ArgumentArity.Zero };
        var command = new Command("create", "Make a schedule; the flags of 'ozf run' make its request").With(name).With([.. options.All, paused]);
        request.AddTo(command);
        return command.Does(surroundings, async (context, cancellationToken) =>
        {
            if (!context.Has(options.Cron))
            {
                throw CommandException.Usage("--cron is missing: when it is to start runs, such as --cron '0 6 * * 1-5'.");
            }

            var asked = await RequestText.ReadAsync(request, context, cancellationToken);
            var definition = options.Apply(new() { Cron = context.Get(options.Cron)!, Request = asked }, context);
            await using var desk = context.OpenScheduleDesk();
            var made = await desk.CreateAsync(context.Get(name)!, definition, context.Get(paused), cancellationToken);
            ScheduleText.Tell(context, made, $"Schedule '{made.Schedule.Name}' is there");
            return ExitCodes.Success;
        });
    }

    private static Command CreateUpdate(Surroundings surroundings)
    {
        var (name, options, request) = (Name(), new ScheduleOptions(), new RequestOptions());
        var remove = new Option<string[]>("--remove") { HelpName = "FIELD", Description = "Take a field out of the request, such as skill or mcp (repeat)", Arity = ArgumentArity.OneOrMore };
        var command = new Command("update", "Change what is given, keep the rest; --file replaces the whole request").With(name).With([.. options.All, remove]);
        request.AddTo(command);
        return command.Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenScheduleDesk();
            var (there, _) = await desk.GetAsync(context.Get(name)!, cancellationToken);
            var under = System.Text.Json.JsonSerializer.SerializeToNode(there.Definition.Request, RunJson.Wire.RunRequest)!.AsObject();
            var asked = await RequestText.ReadAsync(request, context, under, context.Get(remove) ?? [], cancellationToken);
            var definition = options.Apply(there.Definition, context) with { Request = asked };
            var changed = await desk.UpdateAsync(there, definition, cancellationToken);
            ScheduleText.Tell(context, changed, $"Schedule '{there.Name}' is changed");
            return ExitCodes.Success;
        });
    }

    private static Command CreateDelete(Surroundings surroundings)
    {
        var name = Name();
        return new Command("delete", "Remove a schedule; its runs stay").With(name).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenScheduleDesk();
            await desk.DeleteAsync(context.Get(name)!, cancellationToken);
            if (context.Screen.Json)
            {
                context.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteString("name", context.Get(name));
                    json.WriteBoolean("deleted", true);
                    json.WriteEndObject();
                });
            }
            else
            {
                context.Screen.Line($"Schedule '{context.Get(name)}' is gone.");
            }

            return ExitCodes.Success;
        });
    }

    private static Command CreateSwitch(Surroundings surroundings, string verb, string description, bool paused, params string[] aliases)
    {
        var name = Name();
        var command = new Command(verb, description).With(name);
        foreach (var alias in aliases)
        {
            command.Aliases.Add(alias);
        }

        return command.Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenScheduleDesk();
            var switched = await desk.SetPausedAsync(context.Get(name)!, paused, cancellationToken);
            ScheduleText.Tell(context, switched, $"Schedule '{switched.Schedule.Name}' is {(paused ? "paused" : "active")}");
            return ExitCodes.Success;
        });
    }

    private static Command CreateRun(Surroundings surroundings)
    {
        var name = Name();
        var key = new Option<string?>("--idempotency-key") { HelpName = "KEY", Description = "A repeat with this key answers the first run" };
        return new Command("run", "Start a run of it now, paused or not").With(name, key).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var desk = context.OpenScheduleDesk();
            var answer = await desk.RunNowAsync(context.Get(name)!, context.Get(key), cancellationToken);
            if (context.Screen.Json)
            {
                context.Screen.WriteJson(json =>
                {
                    json.WriteStartObject();
                    json.WriteString("run_id", answer.RunId.Value);
                    json.WriteBoolean("created", answer.Created);
                    json.WriteEndObject();
                });
            }
            else
            {
                context.Screen.Line(answer.RunId.Value);
            }

            return ExitCodes.Success;
        });
    }

    private static Command CreateNext(Surroundings surroundings)
    {
        var name = new Argument<string?>("name") { Description = "A schedule, or none with --cron", Arity = ArgumentArity.ZeroOrOne };
        var options = new ScheduleOptions();
        var count = new Option<int>("--count", "-n") { HelpName = "N", Description = "How many [default: 5]", DefaultValueFactory = _ => 5 };
        var after = new Option<string?>("--after") { HelpName = "TIME", Description = "From this time on (RFC 3339) [default: now]" };
        return new Command("next", "Show when a schedule, or an expression, starts runs").With(name, options.Cron, options.TimeZone, count, after).Does(surroundings, async (context, cancellationToken) =>
        {
            if (context.Get(count) is < 1 or > MostTimes)
            {
                throw CommandException.Usage($"--count: '{context.Get(count)}': must be from 1 to {MostTimes}.");
            }

            if (context.Has(options.Cron) == context.Get(name) is not null)
            {
                throw CommandException.Usage("give the name of a schedule, or --cron with an expression.");
            }

            var from = context.Now;
            if (context.Get(after) is { } text && !TimeText.TryParse(text, out from))
            {
                throw CommandException.Usage($"--after: '{text}': a time such as 2026-11-25T06:00:00Z is expected.");
            }

            var (cron, zone) = (context.Get(options.Cron), context.Get(options.TimeZone) ?? "UTC");
            if (context.Get(name) is { } wanted)
            {
                await using var desk = context.OpenScheduleDesk();
                var (schedule, state) = await desk.GetAsync(wanted, cancellationToken);
                (cron, zone) = (schedule.Definition.Cron, context.Get(options.TimeZone) ?? schedule.Definition.TimeZone);
                if (!schedule.IsActive)
                {
                    context.Screen.Warn($"schedule '{wanted}' is {ScheduleText.Word(state)}: it starts nothing at these times.");
                }
            }

            ScheduleText.WriteTimes(context, Find(cron!, zone, from).Take(context.Get(count)), zone);
            return ExitCodes.Success;
        });
    }

    private static IEnumerable<DateTimeOffset> Find(string cron, string zone, DateTimeOffset from)
    {
        if (!CronExpression.TryParse(cron, out var parsed, out var fault))
        {
            throw CommandException.Usage($"--cron: '{FaultValue.Shorten(cron)}': {fault}");
        }

        return ScheduleRules.FindTimeZoneFault(zone) is { } zoneFault
            ? throw CommandException.Usage($"--time-zone: '{FaultValue.Shorten(zone)}': {zoneFault}")
            : parsed.Between(from, DateTimeOffset.MaxValue, TimeZoneInfo.FindSystemTimeZoneById(zone));
    }

    private static Argument<string> Name() => new("name") { Description = "The schedule's name" };
}
