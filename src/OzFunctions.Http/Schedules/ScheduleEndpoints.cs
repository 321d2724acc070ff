using System.Text.Json;
using OzFunctions.Http.Problems;
using OzFunctions.Http.Routing;
using OzFunctions.Keys;
using OzFunctions.Requests;
using OzFunctions.Runs;
using OzFunctions.Schedules;

namespace OzFunctions.Http.Schedules;

/// <summary>Schedules as the vendor's client asks for them (facts E3), and a run of one at once.</summary>
internal sealed class ScheduleEndpoints(OzCore core) : IEndpoints
{
    private const string All = "/api/v1/agent/schedules";
    private const string One = All + "/{id}";

    public IEnumerable<Route> Routes =>
    [
        new("GET", All, Access.Key(KeyScopes.Read), ListAsync),
        new("POST", All, Access.Key(KeyScopes.Admin), CreateAsync),
        new("GET", One, Access.Key(KeyScopes.Read), call => AnswerAsync(call, core.Schedules.GetAsync(call.Value("id"), call.Cancellation))),
        new("PUT", One, Access.Key(KeyScopes.Admin), ReplaceAsync),
        new("DELETE", One, Access.Key(KeyScopes.Admin), DeleteAsync),
        new("POST", One + "/pause", Access.Key(KeyScopes.Admin), call => AnswerAsync(call, core.Schedules.PauseAsync(call.Value("id"), call.Key!.Name, call.Cancellation))),
        new("POST", One + "/resume", Access.Key(KeyScopes.Admin), call => AnswerAsync(call, core.Schedules.ResumeAsync(call.Value("id"), call.Key!.Name, call.Cancellation))),
        new("POST", One + "/run", Access.Key(KeyScopes.Submit), RunAsync),
    ];

    private async Task ListAsync(ApiCall call)
    {
        var unreadable = new List<(string Name, string Detail)>();
        var schedules = await core.Schedules.ListAsync((name, broken) => unreadable.Add((name, broken.Message)), call.Cancellation).ToListAsync(call.Cancellation);
        await call.WriteJsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("schedules");
            foreach (var schedule in schedules)
            {
                ScheduleItemJson.Write(json, schedule, core.Schedules.StateOf(schedule));
            }

            json.WriteEndArray();
            if (unreadable.Count > 0)
            {
                json.WriteStartArray("unreadable");
                foreach (var (name, detail) in unreadable)
                {
                    json.WriteStartObject();
                    json.WriteString("id", name);
                    json.WriteString("detail", detail);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
        });
    }

    private async Task CreateAsync(ApiCall call)
    {
        var body = ScheduleBody.Read(await call.ReadObjectAsync(), replaced: null);
        await AnswerAsync(call, core.Schedules.CreateAsync(body.Id, body.Definition, body.Enabled == false, call.Key!.Name, call.Cancellation), 201, body.HasWholeRequest);
    }

    private async Task ReplaceAsync(ApiCall call)
    {
        var body = ScheduleBody.Read(await call.ReadObjectAsync(), replaced: call.Value("id"));
        await AnswerAsync(call, core.Schedules.UpdateAsync(body.Id, body.Definition, !body.Enabled, call.Key!.Name, call.Cancellation), hasWholeRequest: body.HasWholeRequest);
    }

    private async Task DeleteAsync(ApiCall call)
    {
        await TellAsync(DeleteAsync());
        await call.WriteJsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("success", true);
            json.WriteEndObject();
        });

        async Task<bool> DeleteAsync()
        {
            await core.Schedules.DeleteAsync(call.Value("id"), call.Cancellation);
            return true;
        }
    }

    private async Task RunAsync(ApiCall call)
    {
        var body = await call.ReadObjectAsync(mayBeAbsent: true);
        var given = call.IdempotencyKey(body.TryGetProperty("idempotency_key", out var text)
            ? text.ValueKind == JsonValueKind.String ? text.GetString() : throw ApiException.Invalid("idempotency_key", null, "must be a text")
            : null);

        // Accepted is accepted, also when the caller hangs up.
        var key = given is null ? null : $"api:{call.Key!.Name}:{given}";
        var answer = await TellAsync(core.Schedules.RunNowAsync(call.Value("id"), key, call.Key!.Name, CancellationToken.None));
        await call.WriteJsonAsync(202, json =>
        {
            json.WriteStartObject();
            json.WriteString("run_id", answer.Run.RunId.Value);
            json.WriteString("state", answer.Run.State.Text());
            json.WriteBoolean("created", answer.Created);
            json.WriteEndObject();
        });
    }

    private async Task AnswerAsync(ApiCall call, Task<ScheduleRecord> work, int status = 200, bool hasWholeRequest = false)
    {
        var schedule = await TellAsync(work, hasWholeRequest);
        await call.WriteJsonAsync(status, json => ScheduleItemJson.Write(json, schedule, core.Schedules.StateOf(schedule)));
    }

    private static async Task<T> TellAsync<T>(Task<T> work, bool hasWholeRequest = false)
    {
        try
        {
            return await work;
        }
        catch (ScheduleException ex)
        {
            throw ex.Refusal switch
            {
                ScheduleRefusal.Invalid => ApiException.Invalid([.. ex.Faults.Select(fault => Translate(fault, hasWholeRequest))]),
                ScheduleRefusal.NotFound => ApiException.NotFound("There is no such schedule."),
                _ => new ApiException(ApiError.Conflict, ex.Message),
            };
        }
    }

    /// <summary>As the caller wrote it.</summary>
    private static RequestFault Translate(RequestFault fault, bool hasWholeRequest) => fault.Path switch
    {
        "name" => fault with { Path = "id" },
        "cron" => fault with { Path = "cron_schedule" },
        "title" => fault with { Path = "name" },
        _ when !hasWholeRequest && fault.Path.StartsWith("request.", StringComparison.Ordinal) => fault with { Path = fault.Path["request.".Length..] },
        _ => fault,
    };
}
