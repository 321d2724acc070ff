using OzFunctions.Requests;
using OzFunctions.Webhooks;
using OzFunctions.Webhooks.Deliveries;
using OzFunctions.Webhooks.Templates;

namespace OzFunctions.Configuration;

/// <summary>Reads one of <c>webhooks[]</c>. A key that its kind does not know is a fault: what is not looked at must not seem to guard anything.</summary>
internal static class WebhookReader
{
    private static readonly TimeSpan LeastTolerance = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan MostTolerance = TimeSpan.FromHours(1);
    private const long MostBody = 25L << 20;

    private static readonly Dictionary<string, WebhookKind[]> KindsOf = new(StringComparer.Ordinal)
    {
        ["header"] = [WebhookKind.Hmac, WebhookKind.Token, WebhookKind.CloudEvents],
        ["id_header"] = [WebhookKind.Hmac, WebhookKind.Token],
        ["event_header"] = [WebhookKind.Hmac, WebhookKind.Token],
        ["tolerance"] = [WebhookKind.Standard, WebhookKind.Slack, WebhookKind.Linear],
        ["replay_window"] = [WebhookKind.GitHub, WebhookKind.Linear, WebhookKind.Hmac],
        ["origins"] = [WebhookKind.CloudEvents],
        ["actions"] = [WebhookKind.GitHub, WebhookKind.Linear],
        ["labels"] = [WebhookKind.GitHub, WebhookKind.Linear],
        ["senders"] = [WebhookKind.GitHub, WebhookKind.Slack, WebhookKind.Linear],
        ["bots"] = [WebhookKind.GitHub, WebhookKind.Slack, WebhookKind.Linear],
        ["associations"] = [WebhookKind.GitHub],
        ["outsiders"] = [WebhookKind.GitHub, WebhookKind.Slack, WebhookKind.Linear],
    };

    public static WebhookConfiguration? Read(Section entry, string? name)
    {
        var kind = WebhookKinds.Parse(entry.OneOf("kind", [.. WebhookKinds.Names]) ?? "standard");
        foreach (var (key, kinds) in KindsOf.Where(known => !known.Value.Contains(kind) && entry.Mentions(known.Key)))
        {
            _ = entry.Has(key);
            entry.Faults.Add(entry.Full(key), null, $"means nothing for kind {kind.Text()}, only for {string.Join(", ", kinds.Select(WebhookKinds.Text))}; remove it{(kind is WebhookKind.Slack or WebhookKind.Linear or WebhookKind.GitHub ? "" : ", and look into the payload with where")}", entry.LineOf(key));
        }

        var secrets = ReadSecrets(entry);
        var defaults = new WebhookFilterOptions();
        var webhook = new WebhookConfiguration
        {
            Name = name ?? "",
            Kind = kind,
            Secrets = secrets,
            Header = entry.Text("header", FindHeaderFault),
            IdHeader = entry.Text("id_header", FindHeaderFault),
            EventHeader = entry.Text("event_header", FindHeaderFault),
            Tolerance = entry.Duration("tolerance", LeastTolerance, MostTolerance),
            ReplayWindow = entry.Duration("replay_window", TimeSpan.Zero, SignedBodies.MostWindow),
            MaxBody = entry.Size("max_body", 1024) is { } size ? (int)Math.Min(size, MostBody) : null,
            Origins = entry.Texts("origins"),
            Filter = new()
            {
                Events = entry.Texts("events"),
                Actions = entry.Texts("actions"),
                Labels = entry.Texts("labels"),
                Senders = entry.Texts("senders"),
                Bots = entry.Texts("bots") ?? defaults.Bots,
                Associations = entry.Texts("associations") ?? defaults.Associations,
                Outsiders = entry.Flag("outsiders") ?? false,
                Required = ReadPaths(entry, "required"),
                Where = ReadRules(entry, "where"),
                Contains = ReadRules(entry, "contains"),
            },
            MaxQueued = entry.Number("max_queued", 1, int.MaxValue),
            Enabled = entry.Flag("enabled") ?? true,
            Request = ReadRequest(entry),
        };
        if (entry.Size("max_body") > MostBody)
        {
            entry.Refuse<string>("max_body", null, "must be at most 25MiB");
        }

        return name is null || secrets.Count == 0 || webhook.Request is null ? null : webhook;
    }

    private static List<SecretSource> ReadSecrets(Section entry)
    {
        if (entry.Has("secret") == entry.Has("secrets"))
        {
            entry.Missing("secret", entry.Has("secret")
                ? "give either secret or secrets, not both"
                : "without one anybody could start runs; write secret: {env: NAME} or {file: PATH}, or secrets: [...] while one replaces another");
            return [];
        }

        var key = entry.Has("secret") ? "secret" : "secrets";
        if (entry.Find(key) is YamlList { Items.Count: 0 })
        {
            entry.Refuse<string>(key, null, "is an empty list; give at least one secret, {env: NAME} or {file: PATH}");
        }

        return ListReaders.Sources(entry, key);
    }

    private static List<PayloadPath> ReadPaths(Section entry, string key)
    {
        var paths = new List<PayloadPath>();
        foreach (var text in entry.Texts(key) ?? [])
        {
            if (PayloadPath.TryParse(text, out var path))
            {
                paths.Add(path);
            }
            else
            {
                entry.Refuse<string>(key, text, PayloadPath.Rule);
            }
        }

        return paths;
    }

    private static List<PathRule> ReadRules(Section entry, string key)
    {
        var rules = new List<PathRule>();
        switch (entry.Find(key))
        {
            case null:
                break;
            case YamlMap map:
                foreach (var (name, line, value) in map.Entries)
                {
                    var texts = value switch
                    {
                        YamlText { IsNull: false, Value.Length: > 0 } text => [text.Value],
                        YamlList list => list.Items.OfType<YamlText>().Where(text => text is { IsNull: false, Value.Length: > 0 }).Select(text => text.Value).ToArray(),
                        _ => [],
                    };
                    if (!PayloadPath.TryParse(name, out var path))
                    {
                        entry.Faults.Add(entry.Full(key), name, PayloadPath.Rule, line);
                    }
                    else if (texts.Length == 0)
                    {
                        entry.Faults.Add($"{entry.Full(key)}.{name}", null, "must be a text, or a list of texts of which one is enough", line);
                    }
                    else
                    {
                        rules.Add(new(path, texts));
                    }
                }

                break;
            case var other:
                entry.Wrong<string>(key, other, "must be a mapping of paths to texts, such as issue.state: open");
                break;
        }

        return rules;
    }

    private static RequestTemplate? ReadRequest(Section entry)
    {
        if (ListReaders.Request(entry, Explain) is not { } request)
        {
            return null;
        }

        var faults = new List<RequestFault>();
        var template = RequestTemplate.Create(request, faults);
        foreach (var fault in faults)
        {
            ListReaders.AddRequestFault(entry, fault);
        }

        return template;
    }

    /// <summary>A template where none may stand breaks the field's own rule as well; the reason is the template.</summary>
    private static RequestFault Explain(RequestFault fault) =>
        fault.Value is { } value && TextTemplate.Is(value) && !RequestTemplate.MayHoldTemplates(fault.Path) ? fault with { Rule = RequestTemplate.Rule } : fault;

    private static string? FindHeaderFault(string text) =>
        text.All(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_') && text.Length <= 100 ? null : "must be the name of an HTTP header, such as X-Signature-256";
}
