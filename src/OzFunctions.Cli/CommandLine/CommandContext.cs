using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.Extensions.Logging;
using OzFunctions.Cli.Desks;
using OzFunctions.Cli.Logging;
using OzFunctions.Cli.Screens;
using OzFunctions.Cli.Stores;
using OzFunctions.Configuration;
using OzFunctions.Telemetry;

namespace OzFunctions.Cli.CommandLine;

/// <summary>One call of one command: its flags, where it shows things, and the store it works on.</summary>
internal sealed class CommandContext(ParseResult parsed, Surroundings surroundings)
{
    private Settings? _settings;

    public Surroundings Surroundings { get; } = surroundings;

    public Screen Screen { get; } = new(surroundings, parsed.GetValue(GlobalOptions.Output) == "json");

    /// <summary>The trace that the caller is in (<c>TRACEPARENT</c>); null: none, or none that is valid.</summary>
    public string? Traceparent => OzTelemetry.FindTraceparent(Surroundings.Variable("TRACEPARENT"));

    public TimeProvider Time => Surroundings.Time;

    public DateTimeOffset Now => Surroundings.Time.GetUtcNow();

    /// <summary>The configuration with flags and variables laid over it; read once.</summary>
    public Settings Settings => _settings ?? LoadSettings(new());

    /// <summary>The same with a command's own flags laid over it.</summary>
    /// <param name="flags">Of the command.</param>
    /// <param name="orKept">For a command that does its work while the store is away: the configuration last read from there does, with a warning.</param>
    public Settings LoadSettings(ConfigurationFlags flags, bool orKept = false) => _settings = Settings.Load(
        parsed.GetValue(GlobalOptions.ConfigFile),
        flags with { Data = parsed.GetValue(GlobalOptions.Data) },
        parsed.GetValue(GlobalOptions.Storage),
        Surroundings,
        orKept ? Screen.Warn : null);

    public T? Get<T>(Option<T> option) => parsed.GetValue(option);

    public T? Get<T>(Argument<T> argument) => parsed.GetValue(argument);

    /// <summary>Whether the flag stands on the command line.</summary>
    public bool Has(Option option) => parsed.GetResult(option) is { Implicit: false };

    /// <summary>How many words stand behind <c>--</c>.</summary>
    public int WordsBehindDashes => parsed.Tokens.Reverse().TakeWhile(token => token.Type != TokenType.DoubleDash).Count() is var count && parsed.Tokens.Any(token => token.Type == TokenType.DoubleDash) ? count : 0;

    public LineLoggers Loggers(LogLevel least, LogFormat format = LogFormat.Text) => new(Surroundings, least, format, Settings.Mask);

    /// <summary>The same for what ends a call, which may be that its settings cannot be read.</summary>
    public LineLoggers LoggersOfEnd(LogLevel least, LogFormat format) => new(Surroundings, least, format, text => _settings?.Mask(text) ?? text);

    /// <summary>The store, with what goes wrong behind an answer said on stderr.</summary>
    public OpenStore OpenStore()
    {
        RefuseServer();
        return ConfiguredStore.Open(Settings, Surroundings, Loggers(LogLevel.Warning));
    }

    /// <summary>For commands that do their work on this machine: they would do it here all the same, and nobody asked for that.</summary>
    public void RefuseServer()
    {
        if (Server is not null)
        {
            throw CommandException.Usage("--server: this command works on a store of this machine only; leave --server out, or run it there.");
        }
    }

    /// <summary>Where commands about runs ask: the front door of <c>--server</c>, else the store.</summary>
    public IRunDesk OpenDesk() => Server is { } server ? new RemoteDesk(OpenCalls(server), Time, Screen.Warn) : new StoreDesk(OpenStore(), Surroundings, Screen.Warn, Ozf);

    /// <summary>The same for commands about schedules.</summary>
    public IScheduleDesk OpenScheduleDesk() => Server is { } server ? new RemoteScheduleDesk(OpenCalls(server), Screen.Warn) : new StoreScheduleDesk(OpenStore(), Surroundings.Variable("USER"), Screen.Warn);

    /// <summary>The same for commands about webhooks.</summary>
    public IWebhookDesk OpenWebhookDesk() => Server is { } server ? new RemoteWebhookDesk(OpenCalls(server)) : new StoreWebhookDesk(OpenStore(), Settings, Loggers(LogLevel.Warning));

    private RemoteCalls OpenCalls(string server)
    {
        var address = DeskAddress.Parse(server);
        var key = DeskAddress.FindKey(address, parsed.GetValue(GlobalOptions.KeyFile), Settings.DataDirectory, Surroundings);
        if (address.Scheme == "http" && !address.IsLoopback)
        {
            Screen.Warn($"{address} is not encrypted: the key and everything else can be read on the way. Use https.");
        }

        return new(address, key, Time);
    }

    /// <summary>A command to go on with, with the flags of this call that say where: without them it would look at another store.</summary>
    public string Ozf(string command)
    {
        Option<string?>[] places = [GlobalOptions.Data, GlobalOptions.ConfigFile, GlobalOptions.Storage, GlobalOptions.Server, GlobalOptions.KeyFile];
        var given = places.Where(Has).Select(place => (place.Name, Value: Get(place)!));
        return $"ozf {command}" + string.Concat(given.Select(place => $" {place.Name} {ShellWord.Quote(place.Name == GlobalOptions.Storage.Name ? StorageSetting.Show(place.Value) : place.Value)}"));
    }

    private string? Server => parsed.GetValue(GlobalOptions.Server);
}

/// <summary>How commands are put together.</summary>
internal static class CommandExtensions
{
    public static Command With(this Command command, params Symbol[] symbols)
    {
        foreach (var symbol in symbols)
        {
            switch (symbol)
            {
                case Option option:
                    command.Add(option);
                    break;
                case Argument argument:
                    command.Add(argument);
                    break;
                case Command sub:
                    command.Add(sub);
                    break;
            }
        }

        return command;
    }

    public static Command Does(this Command command, Surroundings surroundings, Func<CommandContext, CancellationToken, Task<int>> action)
    {
        command.SetAction((parsed, cancellationToken) => action(new(parsed, surroundings), cancellationToken));
        return command;
    }
}
