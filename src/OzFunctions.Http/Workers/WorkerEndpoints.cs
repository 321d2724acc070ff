using OzFunctions.Hosts;
using OzFunctions.Http.Problems;
using OzFunctions.Http.Routing;
using OzFunctions.Keys;
using OzFunctions.Requests;

namespace OzFunctions.Http.Workers;

/// <summary>Who serves which worker, and whether it takes runs.</summary>
internal sealed class WorkerEndpoints(OzCore core, WorkerRoom room) : IEndpoints
{
    public IEnumerable<Route> Routes =>
    [
        new("GET", "/api/v1/workers", Access.Key(KeyScopes.Read), ListAsync),
        new("POST", "/api/v1/workers/{worker_id}/pause", Access.Key(KeyScopes.Admin), call => SwitchAsync(call, paused: true)),
        new("POST", "/api/v1/workers/{worker_id}/resume", Access.Key(KeyScopes.Admin), call => SwitchAsync(call, paused: false)),
    ];

    private async Task ListAsync(ApiCall call)
    {
        var list = await WorkerList.ReadAsync(core, call.Cancellation);
        await call.WriteJsonAsync(200, list.Write);
    }

    private async Task SwitchAsync(ApiCall call, bool paused)
    {
        var workerId = call.Value("worker_id");
        if (WorkerIdRule.FindFault(workerId) is { } fault)
        {
            throw ApiException.Invalid("worker_id", workerId, fault);
        }

        var changed = await core.Workers.SetPausedAsync(workerId, paused, call.Cancellation);
        room.Forget();
        await call.WriteJsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteString("worker_id", workerId);
            json.WriteBoolean("paused", paused);
            json.WriteBoolean("changed", changed);
            json.WriteEndObject();
        });
    }
}
