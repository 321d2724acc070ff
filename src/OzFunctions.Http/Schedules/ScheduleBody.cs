using System.Buffers;
using System.Text.Json;
using OzFunctions.Http.Problems;
using OzFunctions.Http.Runs;
using OzFunctions.Requests;
using OzFunctions.Schedules;

namespace OzFunctions.Http.Schedules;

/// <summary>
/// The body of a schedule: the vendor's fields (facts E2) and ours beside them; what is none of a schedule is of its runs' request, by the rules of every create.
/// A fault names the field as the caller wrote it.
/// </summary>
/// <param name="Id">As the caller gave it, or made of the name.</param>
/// <param name="Enabled">Null: not said, or said to stay as it is.</param>
/// <param name="HasWholeRequest">The request stands in <c>request</c>, as every answer shows it.</param>
internal sealed record ScheduleBody(string Id, ScheduleDefinition Definition, bool? Enabled, bool HasWholeRequest)
{
    /// <param name="replaced">Id of the schedule that this replaces, which must say whether it is enabled; null: a new one.</param>
    public static ScheduleBody Read(JsonElement body, string? replaced)
    {
        var faults = new List<RequestFault>();
        var fields = new ScheduleFields(faults);
        var rest = new ArrayBufferWriter<byte>(1024);
        var hasWhole = body.TryGetProperty("request", out var wholeRequest) && wholeRequest.ValueKind != JsonValueKind.Null;
        var others = new List<string>();
        using (var json = new Utf8JsonWriter(rest))
        {
            json.WriteStartObject();
            foreach (var property in body.EnumerateObject())
            {
                // The vendor's client insists on a prompt, also for a skill.
                var isNoPrompt = property.NameEquals("prompt") && property.Value.ValueKind == JsonValueKind.String && property.Value.GetString() is "";
                if (property.NameEquals("request") || isNoPrompt || fields.Take(property))
                {
                    continue;
                }

                others.Add(property.Name);
                json.WritePropertyName(property.NameEquals("agent_config") ? "config" : property.Name);
                property.Value.WriteTo(json);
            }

            json.WriteEndObject();
        }

        foreach (var (field, rule) in (ReadOnlySpan<(string, string)>)[("name", "what people call it"), ("cron_schedule", "when it starts runs, such as '0 6 * * 1-5'")])
        {
            if (!fields.Has(field))
            {
                faults.Add(new(field, null, "is missing: " + rule));
            }
        }

        if (replaced is not null && !fields.Has("enabled"))
        {
            faults.Add(new("enabled", null, "is missing: a replacement says all, true, false, or null to leave it as it is"));
        }

        if (replaced is not null && fields.Text("id") is { } other && other != replaced)
        {
            faults.Add(new("id", FaultValue.Shorten(other), "is another schedule's than the address; an id stays as it is"));
        }

        if (hasWhole && others.Count > 0)
        {
            faults.Add(new("request", null, $"is the whole request: put {string.Join(", ", others)} into it, or leave it out"));
        }

        RunRequest? request = null;
        try
        {
            using var document = JsonDocument.Parse(rest.WrittenMemory);
            request = hasWhole && wholeRequest.ValueKind != JsonValueKind.Object
                ? throw ApiException.Invalid("", null, "must be an object, a run request")
                : CreateBody.Read(hasWhole ? wholeRequest : document.RootElement);
        }
        catch (ApiException ex) when (ex.Faults.Count > 0)
        {
            faults.AddRange(ex.Faults.Select(fault => fault with { Path = PathOf(fault.Path, hasWhole) }));
            if (ex.Error != ApiError.InvalidRequest)
            {
                throw new ApiException(ex.Error, RequestProblem.Summary(faults)) { Faults = faults };
            }
        }

        var id = replaced ?? fields.Text("id") ?? IdOf(fields.Text("name") ?? "");
        var definition = request is null || faults.Count > 0 ? null : fields.Definition(id, request);
        return faults.Count > 0 ? throw ApiException.Invalid(faults) : new(id, definition!, fields.Flag("enabled"), hasWhole);
    }

    private static string PathOf(string path, bool inWhole) =>
        inWhole ? path.Length == 0 ? "request" : "request." + path
        : path.StartsWith("config", StringComparison.Ordinal) ? "agent_" + path
        : path;

    /// <summary>The id of a new schedule: its name in lower case, with <c>-</c> for whatever is no letter or digit.</summary>
    private static string IdOf(string name)
    {
        var words = new string([.. name.ToLowerInvariant().Select(sign => char.IsAsciiLetterOrDigit(sign) ? sign : ' ')]);
        var id = string.Join('-', words.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        id = id.Length > 63 ? id[..63].TrimEnd('-') : id;
        return id.Length > 0 ? id : "schedule-" + OzFunctions.Runs.RunBlobs.Hash(name)[..8];
    }
}
