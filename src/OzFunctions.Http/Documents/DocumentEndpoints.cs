using OzFunctions.Http.Routing;
using OzFunctions.Keys;

namespace OzFunctions.Http.Documents;

/// <summary>The OpenAPI document, written by hand beside the code; a test holds it against the routes.</summary>
internal sealed class DocumentEndpoints : IEndpoints
{
    public IEnumerable<Route> Routes =>
    [
        new("GET", "/api/v1/openapi.json", Access.Key(KeyScopes.Read), call => call.WriteAsync(200, "application/json", BuiltIn.Read("Documents.openapi.json"))),
    ];
}
