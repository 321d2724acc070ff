namespace OzFunctions.Http.Routing;

/// <summary>One row of the table of routes.</summary>
/// <param name="Method">GET also answers HEAD.</param>
/// <param name="Pattern">Path of literal segments, <c>{name}</c> for one segment, <c>{*name}</c> at the end for the rest.</param>
/// <param name="Access">Who may call it.</param>
/// <param name="Answer">Reads the call and writes the answer; a problem is an <see cref="Problems.ApiException"/>.</param>
public sealed record Route(string Method, string Pattern, Access Access, Func<ApiCall, Task> Answer)
{
    /// <summary>Most bytes of a body. Default: 1 MiB and a little for the envelope.</summary>
    public int MostBytes { get; init; } = (1 << 20) + 4096;

    internal string[] Segments { get; } = Pattern.Split('/', StringSplitOptions.RemoveEmptyEntries);
}

/// <summary>A feature's routes.</summary>
public interface IEndpoints
{
    IEnumerable<Route> Routes { get; }
}
