using System.Globalization;
using System.Text.RegularExpressions;
using OzFunctions.Events;
using OzFunctions.Requests;
using OzFunctions.Schedules;
using OzFunctions.Settlement;

namespace OzFunctions.Configuration;

/// <summary>Reads the lists of the document: secrets, keys, publishers, schedules, webhooks.</summary>
internal static partial class ListReaders
{
    /// <summary>Hosts keep a try from each other for ten minutes.</summary>
    private static readonly TimeSpan LongestTry = TimeSpan.FromMinutes(5);

    public static List<NamedSecret> Secrets(Section root, string key)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        return root.Items(key, entry =>
        {
            var name = Name(entry, names, text => SecretReferences.IsName(text) ? null : SecretReferences.NameRule);
            var source = EnvOrFile(entry, entry.Path);
            return name is not null && source is not null ? new NamedSecret(name, source) : null;
        });
    }

    /// <summary>A secret value below a key: <c>{env: NAME}</c> or <c>{file: PATH}</c>. A literal is a fault that does not show it.</summary>
    public static SecretSource? Source(Section section, string key)
    {
        switch (section.Find(key))
        {
            case null:
                return null;
            case YamlMap map:
                return Source(section, map, key);
            default:
                return section.Refuse<SecretSource>(key, null, "is a secret: write {env: NAME} or {file: PATH}; a literal is refused");
        }
    }

    public static List<EventConfiguration> Events(Section root)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        return root.Items("events", entry =>
        {
            var name = Name(entry, names, FindNameFault);
            var read = new EventConfiguration
            {
                Name = name ?? "",
                Queue = entry.Text("queue", FindQueueFault),
                Topic = entry.Text("topic"),
                Url = entry.Text("url", ConfigurationReader.FindUrlFault),
                Command = entry.Text("command"),
                Secrets = Sources(entry, "secret"),
                AllowPrivate = entry.Flag("allow_private") ?? false,
                Environment = DirectReader.ReadEnvironment(entry, "environment"),
                Timeout = entry.Duration("timeout", TimeSpan.FromSeconds(1), LongestTry),
                Connection = Source(entry, "connection"),
                Kinds = Kinds(entry),
            };
            RefuseStrays(entry);
            RefuseStoreQueueName(entry, read);

            var targets = new[] { "queue", "topic", "url", "command" }.Count(entry.Has);
            if (targets != 1)
            {
                entry.Faults.Add(entry.Path, null, "needs exactly one of queue, topic, url and command", entry.Line);
            }

            if (entry.Has("url") && !entry.Has("secret"))
            {
                entry.Missing("secret", "events sent by HTTP are signed; write secret: {env: NAME} or {file: PATH}");
            }

            return name is null ? null : read;
        });
    }

    /// <summary>One secret value or a list of them.</summary>
    public static List<SecretSource> Sources(Section section, string key)
    {
        if (section.Find(key) is not YamlList list)
        {
            return Source(section, key) is { } source ? [source] : [];
        }

        var sources = new List<SecretSource>();
        for (var i = 0; i < list.Items.Count; i++)
        {
            if (Source(section, list.Items[i], string.Create(CultureInfo.InvariantCulture, $"{key}[{i}]")) is { } source)
            {
                sources.Add(source);
            }
        }

        return sources;
    }

    private static List<RunEventKind> Kinds(Section entry)
    {
        if (entry.Texts("kinds") is not { } texts)
        {
            return [RunEventKind.Completed];
        }

        var names = RunEventKinds.All.Select(kind => kind.Text()).ToArray();
        foreach (var text in texts.Except(names))
        {
            entry.Refuse<string>("kinds", text, "must be of queued, started and completed" + Suggestion.For(text, names));
        }

        return [.. texts.Select(RunEventKinds.Find).OfType<RunEventKind>().Distinct()];
    }

    /// <summary>Keys that say something of another kind of publisher would be obeyed by nobody.</summary>
    private static void RefuseStrays(Section entry)
    {
        foreach (var (key, targets) in new (string, string[])[] { ("secret", ["url"]), ("allow_private", ["url"]), ("environment", ["command"]), ("timeout", ["url", "command"]), ("connection", ["queue", "topic"]) })
        {
            if (entry.Has(key) && !targets.Any(entry.Has))
            {
                entry.Faults.Add(entry.Full(key), null, $"is for publishers with {string.Join(" or ", targets)}; remove it", entry.LineOf(key));
            }
        }
    }

    /// <summary>Who has a publisher of this name sends events of all workers to it: elsewhere they would be lost to who reads the queue.</summary>
    private static void RefuseStoreQueueName(Section entry, EventConfiguration read)
    {
        if (read.Name == OwedPublishers.StoreQueue && (read.Queue != OwedPublishers.StoreQueue || entry.Has("connection")))
        {
            entry.Faults.Add(
                entry.Full("name"),
                read.Name,
                $"is the name of the store's own queue, which gets the events of every worker; give this publisher another name, or write 'queue: {OwedPublishers.StoreQueue}' without a connection",
                entry.LineOf("name"));
        }
    }

    public static List<ConfiguredSchedule> Schedules(Section root)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        return root.Items("schedules", entry =>
        {
            var name = Name(entry, names, ScheduleRules.FindNameFault);
            var cron = entry.Text("cron", ScheduleRules.FindCronFault);
            if (!entry.Has("cron"))
            {
                entry.Missing("cron", "when the schedule starts runs, such as '0 6 * * 1-5'");
            }

            var zone = entry.Text("time_zone", ScheduleRules.FindTimeZoneFault);
            var enabled = entry.Flag("enabled");
            var overlap = entry.OneOf("overlap", "skip", "queue", "allow");
            var missed = entry.OneOf("missed", "skip", "one", "all");
            var window = entry.Duration("missed_window", ScheduleRules.LeastMissedWindow, ScheduleRules.MostMissedWindow);
            var request = Request(entry);
            foreach (var (field, rule) in request is null ? [] : ScheduleRules.FindRequestFaults(request))
            {
                entry.Faults.Add($"{entry.Full("request")}.{field}", null, rule, entry.LineOf("request"));
            }

            return name is null || cron is null || request is null ? null : new ConfiguredSchedule(name, new()
            {
                Cron = cron,
                TimeZone = zone ?? "UTC",
                Enabled = enabled ?? true,
                Overlap = Enum.Parse<ScheduleOverlap>(overlap ?? "skip", ignoreCase: true),
                Missed = Enum.Parse<MissedRuns>(missed ?? "one", ignoreCase: true),
                MissedWindow = window ?? ScheduleDefinition.DefaultMissedWindow,
                Request = request,
            });
        });
    }

    public static List<WebhookConfiguration> Webhooks(Section root)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        return root.Items("webhooks", entry => WebhookReader.Read(entry, Name(entry, names, FindNameFault)));
    }

    /// <summary>The same of an item of a list.</summary>
    private static SecretSource? Source(Section section, YamlItem item, string key)
    {
        if (item is not YamlMap map)
        {
            section.Faults.Add(section.Full(key), null, "is a secret: write {env: NAME} or {file: PATH}; a literal is refused", item.Line);
            return null;
        }

        var below = new Section(map, section.Full(key), section.Faults);
        var source = EnvOrFile(below, below.Path);
        below.End();
        return source;
    }

    /// <summary>The run request of an entry, read by the rules of every request; null when it has faults, which are added here.</summary>
    /// <param name="explain">May say a fault in other words; null: as it is.</param>
    public static RunRequest? Request(Section entry, Func<RequestFault, RequestFault>? explain = null)
    {
        switch (entry.Find("request"))
        {
            case null:
                entry.Missing("request", "the run request, with a prompt or a skill");
                return null;
            case YamlMap map:
                var read = RunRequestReader.Read(YamlJson.Serialize(map));
                foreach (var fault in read.Faults)
                {
                    AddRequestFault(entry, explain?.Invoke(fault) ?? fault);
                }

                return read.Request;
            case var other:
                return entry.Wrong<RunRequest>("request", other, "must be a mapping, the fields of a run request");
        }
    }

    /// <summary>A fault of the request below an entry, with its line.</summary>
    public static void AddRequestFault(Section entry, RequestFault fault) => entry.Faults.Add(
        fault.Path.Length == 0 ? entry.Full("request") : $"{entry.Full("request")}.{fault.Path}",
        fault.Value,
        fault.Rule,
        entry.Find("request") is YamlMap map ? LineOf(map, fault.Path) : entry.LineOf("request"));

    internal static SecretSource? EnvOrFile(Section section, string path, string others = "")
    {
        var env = section.Text("env", text => EnvironmentNames.IsName(text) ? null : EnvironmentNames.Rule);
        var file = section.Text("file");
        if (section.Has("env") == section.Has("file"))
        {
            section.Faults.Add(path, null, $"needs exactly one of {others}'env: NAME' and 'file: PATH'", section.Line);
            return null;
        }

        return env is not null ? SecretSource.FromEnv(env) : file is not null ? SecretSource.FromFile(file) : null;
    }

    internal static string? Name(Section entry, HashSet<string> names, Func<string, string?> findFault)
    {
        var name = entry.Text("name", findFault);
        if (!entry.Has("name"))
        {
            entry.Missing("name", "give the entry a name");
        }
        else if (name is not null && !names.Add(name))
        {
            entry.Faults.Add(entry.Full("name"), name, "is taken by an earlier entry; choose another", entry.LineOf("name"));
        }

        return name;
    }

    private static int LineOf(YamlMap map, string path)
    {
        var first = path.Split('.', '[')[0];
        foreach (var (key, line, _) in map.Entries)
        {
            if (key == first)
            {
                return line;
            }
        }

        return map.Line;
    }

    private static string? FindQueueFault(string text) =>
        !QueueName().IsMatch(text) ? "must have 3 to 63 lower-case letters, digits and single '-', beginning and ending with a letter or digit"
        : text is "oz-requests" or "oz-requests-poison" || text.StartsWith("oz-bell-", StringComparison.Ordinal) ? "is a queue of ours for something else; choose another, such as oz-events"
        : null;

    private static string? FindNameFault(string text) => ScheduleRules.FindNameFault(text);

    [GeneratedRegex(@"\A(?=.{3,63}\z)[a-z0-9]+(-[a-z0-9]+)*\z")]
    private static partial Regex QueueName();
}
