using System.CommandLine;
using OzFunctions.Cli.CommandLine;
using OzFunctions.Cli.Screens;
using OzFunctions.Json;
using OzFunctions.Runs;

namespace OzFunctions.Cli.Events;

/// <summary><c>ozf events</c>: the completion events as they stand in the records, oldest first; consumes nothing.</summary>
internal static class EventsCommand
{
    public static Command Create(Surroundings surroundings)
    {
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on with events as runs end" };
        var limit = new Option<int>("--limit") { HelpName = "N", Description = "Most events of the past", DefaultValueFactory = _ => 20 };
        return new Command("events", "Show completion events, and what became of them").With(follow, limit, DeliveriesCommand.Create(surroundings), RedeliverCommand.Create(surroundings)).Does(surroundings, async (context, cancellationToken) =>
        {
            await using var store = context.OpenStore();
            var feed = new EventFeed(store.Core);
            foreach (var run in await feed.ReadPastAsync(Math.Max(context.Get(limit), 0), cancellationToken))
            {
                Show(context, run);
            }

            await context.Screen.Out.FlushAsync(cancellationToken);
            while (context.Get(follow))
            {
                foreach (var run in await feed.ReadNewAsync(cancellationToken))
                {
                    Show(context, run);
                }

                await context.Screen.Out.FlushAsync(cancellationToken);
                await Task.Delay(TimeSpan.FromSeconds(1), context.Time, cancellationToken);
            }

            return ExitCodes.Success;
        });
    }

    private static void Show(CommandContext context, RunRecord run)
    {
        if (context.Screen.Json)
        {
            context.Screen.WriteJson(run.Event!.Value.WriteTo);
            return;
        }

        var time = TimeText.Format(run.FinishedAt ?? run.UpdatedAt)[..19].Replace('T', ' ');
        var line = $"{time}Z  {run.RunId}  {run.State.Text(),-10}";
        var title = TextWidth.Cut(run.Title ?? "", Math.Max(context.Screen.Width == int.MaxValue ? int.MaxValue : context.Screen.Width - line.Length - 1, 0));
        context.Screen.Line($"{time}Z  {run.RunId}  {context.Screen.Paint($"{run.State.Text(),-10}", PlainText.Style(run.State))} {title}".TrimEnd());
    }
}
