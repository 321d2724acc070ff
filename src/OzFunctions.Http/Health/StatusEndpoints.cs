using System.Text;
using Microsoft.AspNetCore.Http;
using OzFunctions.Http.Routing;

namespace OzFunctions.Http.Health;

/// <summary><c>/readyz</c> with its reasons, open like <c>/healthz</c>, and <c>/metrics</c>, open only where nothing else is served.</summary>
public sealed class StatusEndpoints(HostStatus status, Access metricsAccess) : IEndpoints
{
    public IEnumerable<Route> Routes =>
    [
        new("GET", "/readyz", Access.Health, call =>
        {
            var reasons = status.NotReady();
            return call.WriteJsonAsync(reasons.Count == 0 ? 200 : 503, json =>
            {
                json.WriteStartObject();
                json.WriteString("status", reasons.Count == 0 ? "ready" : "not_ready");
                json.WriteStartArray("reasons");
                foreach (var reason in reasons)
                {
                    json.WriteStringValue(reason);
                }

                json.WriteEndArray();
                json.WriteEndObject();
            });
        }),
        .. status.Metrics is { } metrics
            ? new[]
            {
                new Route("GET", "/metrics", metricsAccess, async call =>
                {
                    call.Response.ContentType = PrometheusText.ContentType;
                    await call.Response.WriteAsync(metrics(), Encoding.UTF8, call.Cancellation);
                }),
            }
            : [],
    ];
}
