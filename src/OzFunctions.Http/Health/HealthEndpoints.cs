using OzFunctions.Http.Routing;

namespace OzFunctions.Http.Health;

/// <summary>Whether the process answers. Open to anybody, so it says nothing more.</summary>
internal sealed class HealthEndpoints : IEndpoints
{
    public IEnumerable<Route> Routes =>
    [
        new("GET", "/healthz", Access.Health, call => call.WriteJsonAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteString("status", "ok");
            json.WriteEndObject();
        })),
    ];
}
