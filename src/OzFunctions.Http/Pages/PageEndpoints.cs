using OzFunctions.Http.Routing;

namespace OzFunctions.Http.Pages;

/// <summary>The status page: three static files that hold no data. The page asks for a key and calls the API with it, as any client does.</summary>
internal sealed class PageEndpoints : IEndpoints
{
    /// <summary>Only its own files run and are called; nothing may frame it, and no markup in a title or a log can become more than text.</summary>
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public IEnumerable<Route> Routes =>
    [
        new("GET", "/", Access.Page, call => SendAsync(call, "index.html", "text/html; charset=utf-8")),
        new("GET", "/page.css", Access.Page, call => SendAsync(call, "page.css", "text/css; charset=utf-8")),
        new("GET", "/page.js", Access.Page, call => SendAsync(call, "page.js", "text/javascript; charset=utf-8")),
    ];

    private static Task SendAsync(ApiCall call, string name, string type)
    {
        call.Response.Headers.ContentSecurityPolicy = Policy;
        call.Response.Headers["Cross-Origin-Opener-Policy"] = "same-origin";
        return call.WriteAsync(200, type, BuiltIn.Read("Pages." + name));
    }
}
