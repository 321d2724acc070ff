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
/// <param name="Name">As the caller calls it, any text.</param>
internal sealed record ScheduleBody(string Name, ScheduleDefinition Definition, bool Enabled)
{
    /// <param name="whole">A replacement, which must say whether it is enabled.</param>
    public static ScheduleBody Read(JsonElement body, bool whole)
    {
        var faults = new List<RequestFault>();
        var fields = new ScheduleFields(faults);
        var rest = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(rest))
        {
            json.WriteStartObject();
            foreach (var property in body.EnumerateObject())
            {
                if (fields.Take(property) || (property.NameEquals("prompt") && property.Value.ValueKind == JsonValueKind.String && property.Value.GetString() is ""))
                {
                    // The vendor's client insists on a prompt, also for a skill.
                    continue;
                }

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

        if (whole && !fields.Has("enabled"))
        {
            faults.Add(new("enabled", null, "is missing: a replacement says all, true or false"));
        }

        RunRequest? request = null;
        try
        {
            using var document = JsonDocument.Parse(rest.WrittenMemory);
            request = CreateBody.Read(document.RootElement);
        }
        catch (ApiException ex) when (ex.Faults.Count > 0)
        {
            faults.AddRange(ex.Faults.Select(fault => fault.Path.StartsWith("config", StringComparison.Ordinal) ? fault with { Path = "agent_" + fault.Path } : fault));
            if (ex.Error != ApiError.InvalidRequest)
            {
                throw new ApiException(ex.Error, RequestProblem.Summary(faults)) { Faults = faults };
            }
        }

        var definition = request is null || faults.Count > 0 ? null : fields.Definition(request);
        return faults.Count > 0 ? throw ApiException.Invalid(faults) : new(fields.Text("name")!, definition!, fields.Flag("enabled") ?? true);
    }

    /// <summary>The id of a new schedule: its name in lower case, with <c>-</c> for whatever is no letter or digit.</summary>
    public string Id()
    {
        var words = new string([.. Name.ToLowerInvariant().Select(sign => char.IsAsciiLetterOrDigit(sign) ? sign : ' ')]);
        var id = string.Join('-', words.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        id = id.Length > 63 ? id[..63].TrimEnd('-') : id;
        return id.Length > 0 ? id : "schedule-" + OzFunctions.Runs.RunBlobs.Hash(Name)[..8];
    }
}
