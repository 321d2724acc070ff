using System.Text.Json;
using OzFunctions.Requests;
using OzFunctions.Runs;

namespace OzFunctions.Webhooks.Templates;

/// <summary>
/// The run request of a webhook. A payload fills the prompt, the title, metadata and the two keys; every other field is the configuration's own,
/// so that no sender chooses a worker, a model, a command's flag or a variable.
/// </summary>
public sealed class RequestTemplate
{
    /// <summary>The fields that may hold templates.</summary>
    public const string Fields = "prompt, title, metadata, concurrency_key and idempotency_key";

    public const string Rule = $"must not hold a template: a delivery fills {Fields} and nothing else";

    private const int LongestKey = 256;
    private const int LongestTitle = 200;
    private const int LongestMetadata = 256;

    private readonly RunRequest _request;
    private readonly TextTemplate? _prompt;
    private readonly TextTemplate? _title;
    private readonly Dictionary<string, TextTemplate> _metadata = new(StringComparer.Ordinal);
    private readonly TextTemplate? _concurrencyKey;
    private readonly TextTemplate? _idempotencyKey;

    private RequestTemplate(RunRequest request, Faults faults)
    {
        _request = request;
        _prompt = faults.Parse("prompt", request.Prompt);
        _title = faults.Parse("title", request.Title);
        _concurrencyKey = faults.Parse("concurrency_key", request.ConcurrencyKey);
        _idempotencyKey = faults.Parse("idempotency_key", request.IdempotencyKey);
        foreach (var (name, value) in request.Metadata ?? new Dictionary<string, string>())
        {
            if (faults.Parse($"metadata.{name}", value) is { } template)
            {
                _metadata[name] = template;
            }
        }

        if (_idempotencyKey is { HasPlaces: false })
        {
            faults.List.Add(new("idempotency_key", request.IdempotencyKey, "is the same for every delivery, so that only the first would start a run; put a template in, or leave it out"));
        }

        faults.RefuseElsewhere(request);
    }

    /// <summary>The request as it was written, its places not filled.</summary>
    public RunRequest Request => _request;

    /// <param name="path">Of a field, as faults name it.</param>
    public static bool MayHoldTemplates(string path) =>
        path is "prompt" or "title" or "concurrency_key" or "idempotency_key" || path.StartsWith("metadata.", StringComparison.Ordinal);

    /// <summary>Null when the templates have faults, which are added to <paramref name="faults"/>.</summary>
    public static RequestTemplate? Create(RunRequest request, ICollection<RequestFault> faults)
    {
        var found = new Faults();
        var template = new RequestTemplate(request, found);
        found.List.ForEach(faults.Add);
        return found.List.Count == 0 ? template : null;
    }

    /// <summary>
    /// The request of one delivery, checked. A path that holds nothing leaves its place empty, but not in a key: there it would throw unrelated
    /// deliveries together, so the delivery starts nothing.
    /// </summary>
    internal FilledRequest Fill(JsonElement payload, string webhook)
    {
        if (FindMissing("concurrency_key", _concurrencyKey, payload) is { } noKey)
        {
            return FilledRequest.Skip(noKey);
        }

        if (FindMissing("idempotency_key", _idempotencyKey, payload) is { } noIdentity)
        {
            return FilledRequest.Skip(noIdentity);
        }

        var request = _request with
        {
            Prompt = _prompt is null ? null : new PromptData(webhook).Fill(_prompt, payload),
            Title = Line(_title, payload, LongestTitle) is { Length: > 0 } title ? title : null,
            Metadata = _request.Metadata is null ? null : _metadata.ToDictionary(entry => entry.Key, entry => Line(entry.Value, payload, LongestMetadata)!, StringComparer.Ordinal),
            ConcurrencyKey = Key(_concurrencyKey, payload),
            IdempotencyKey = null,
        };
        return new(request, Plain(_idempotencyKey, payload), null, RunRequestChecks.Check(request));
    }

    private static string? FindMissing(string field, TextTemplate? template, JsonElement payload) =>
        template?.Parts.FirstOrDefault(part => part.Path is not null && part.Path.FindText(payload) is null or "") is { Path: { } path }
            ? $"{field} needs {path}, which the delivery does not have"
            : null;

    private static string? Line(TextTemplate? template, JsonElement payload, int longest) =>
        template is null ? null : PayloadText.Cut(PayloadText.CleanLine(Plain(template, payload)!), longest, "…");

    /// <summary>A key that is too long or has characters that none may have keeps its beginning, and stays as different from others as it was.</summary>
    private static string? Key(TextTemplate? template, JsonElement payload)
    {
        if (Plain(template, payload) is not { } key)
        {
            return null;
        }

        var line = PayloadText.CleanLine(key);
        return line == key && key.Length <= LongestKey ? key : PayloadText.Cut(line, LongestKey - 65, "") + "~" + RunBlobs.Hash(key);
    }

    private static string? Plain(TextTemplate? template, JsonElement payload) =>
        template?.Fill(payload, (part, found) => found is { } element ? PayloadText.Cut(PayloadPath.TextOf(element), part.Limit, "") : "");

    private sealed class Faults
    {
        public List<RequestFault> List { get; } = [];

        public TextTemplate? Parse(string field, string? text)
        {
            if (text is null)
            {
                return null;
            }

            if (TextTemplate.TryParse(text, out var template, out var fault))
            {
                return template;
            }

            List.Add(new(field, null, fault));
            return null;
        }

        /// <summary>Walks every other text of the request by its JSON, so that a field added later is covered too.</summary>
        public void RefuseElsewhere(RunRequest request)
        {
            var others = request with { Prompt = null, Title = null, ConcurrencyKey = null, IdempotencyKey = null, Metadata = null };
            Walk("", JsonSerializer.SerializeToElement(others, RunJson.Wire.RunRequest));
            foreach (var name in (request.Metadata ?? new Dictionary<string, string>()).Keys.Where(TextTemplate.Is))
            {
                Refuse("metadata", name);
            }
        }

        private void Walk(string path, JsonElement element)
        {
            switch (element.ValueKind)
            {
                case JsonValueKind.Object:
                    foreach (var member in element.EnumerateObject())
                    {
                        if (TextTemplate.Is(member.Name))
                        {
                            Refuse(path, member.Name);
                        }

                        Walk(path.Length == 0 ? member.Name : $"{path}.{member.Name}", member.Value);
                    }

                    break;
                case JsonValueKind.Array:
                    var item = 0;
                    foreach (var value in element.EnumerateArray())
                    {
                        Walk($"{path}[{item++}]", value);
                    }

                    break;
                case JsonValueKind.String when TextTemplate.Is(element.GetString()!):
                    Refuse(path, element.GetString());
                    break;
            }
        }

        private void Refuse(string path, string? value) =>
            List.Add(new(path, value, Rule));
    }
}

/// <summary>What a template made of a delivery.</summary>
/// <param name="Identity">What names the request instead of the delivery's id; null: the id does.</param>
/// <param name="Missing">Why the delivery starts nothing; null: it may.</param>
internal sealed record FilledRequest(RunRequest? Request, string? Identity, string? Missing, IReadOnlyList<RequestFault> Faults)
{
    public static FilledRequest Skip(string missing) => new(null, null, missing, []);
}
