using System.Globalization;
using System.Text.Json;
using OzFunctions.Http.Routing;

namespace OzFunctions.Http.Tests.Documents;

/// <summary>Every answer that any test gets has a status that the OpenAPI document names for its operation.</summary>
internal static class DescribedAnswers
{
    private static readonly JsonElement Paths = JsonDocument.Parse(BuiltIn.Read("Documents.openapi.json")).RootElement.GetProperty("paths");

    public static void Check(IReadOnlyList<Route> routes, string method, string target, int status)
    {
        if (FindMissing(routes, method, target, status) is { } missing)
        {
            Assert.Fail($"{missing}: add the answer to src/OzFunctions.Http/Documents/openapi.json.");
        }
    }

    /// <summary>What the document lacks; null: nothing. Routes without an operation are pages, or a test's own; 500 is said for all calls at once.</summary>
    public static string? FindMissing(IReadOnlyList<Route> routes, string method, string target, int status)
    {
        if (status == 500 || !new RouteTable(routes).TryFind(method, target.Split('?', 2)[0], out var route, out _, out _))
        {
            return null;
        }

        var pattern = route.Pattern.Replace("{*", "{", StringComparison.Ordinal);
        return !Paths.TryGetProperty(pattern, out var path) || !path.TryGetProperty(route.Method.ToLowerInvariant(), out var operation)
            || operation.GetProperty("responses").TryGetProperty(status.ToString(CultureInfo.InvariantCulture), out _)
            ? null
            : $"{route.Method} {pattern} answers {status}, which is not described";
    }
}
