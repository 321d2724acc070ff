using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using OzFunctions.Http;

namespace OzFunctions.FunctionApp.Functions;

/// <summary>Everything over HTTP: API, webhooks, health. Keys and signatures are checked behind this door, by the same code as in <c>ozf up</c>.</summary>
internal sealed class Api(FrontDoor door)
{
    [Function(nameof(Api))]
    public Task RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", "head", "post", "put", "patch", "delete", "options", Route = "{*path}")] HttpRequest request) =>
        door.InvokeAsync(request.HttpContext);
}
