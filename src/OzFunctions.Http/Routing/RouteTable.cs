using System.Diagnostics.CodeAnalysis;

namespace OzFunctions.Http.Routing;

/// <summary>Finds the route of a path. A literal segment wins over a name in its place.</summary>
internal sealed class RouteTable
{
    private readonly IReadOnlyList<Route> _routes;

    public RouteTable(IEnumerable<Route> routes)
    {
        // More literal first: the first that fits is the one.
        _routes = [.. routes.OrderBy(route => string.Concat(route.Segments.Select(Rank)), StringComparer.Ordinal)];
        if (_routes.GroupBy(route => route.Method + " " + string.Join('/', route.Segments.Select(segment => Rank(segment) == '0' ? segment : "{}"))).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new ArgumentException($"Two routes answer {twice.Key}.", nameof(routes));
        }
    }

    public IReadOnlyList<Route> Routes => _routes;

    /// <param name="path">As it came, still percent-encoded: an encoded slash is part of a name.</param>
    /// <param name="others">When the path is known and the method is not: the methods that are.</param>
    public bool TryFind(string method, string path, [NotNullWhen(true)] out Route? route, out IReadOnlyDictionary<string, string> values, out IReadOnlyList<string> others)
    {
        var segments = path.Split('/');
        var allowed = new List<string>();
        foreach (var candidate in _routes)
        {
            if (Match(candidate, segments.AsSpan(1)) is { } found)
            {
                if (candidate.Method == method || (method == "HEAD" && candidate.Method == "GET"))
                {
                    (route, values, others) = (candidate, found, []);
                    return true;
                }

                allowed.Add(candidate.Method);
            }
        }

        (route, values, others) = (null, new Dictionary<string, string>(), allowed);
        return false;
    }

    private static Dictionary<string, string>? Match(Route route, ReadOnlySpan<string> segments)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        if (route.Segments.Length == 0)
        {
            return segments is [""] ? values : null;
        }

        for (var i = 0; i < route.Segments.Length; i++)
        {
            var wanted = route.Segments[i];
            if (wanted.StartsWith("{*", StringComparison.Ordinal))
            {
                if (segments.Length <= i)
                {
                    return null;
                }

                values[wanted[2..^1]] = Uri.UnescapeDataString(string.Join('/', segments[i..]!));
                return values;
            }

            if (segments.Length <= i || segments[i].Length == 0)
            {
                return null;
            }

            if (wanted[0] == '{')
            {
                values[wanted[1..^1]] = Uri.UnescapeDataString(segments[i]);
            }
            else if (wanted != segments[i])
            {
                return null;
            }
        }

        return segments.Length == route.Segments.Length ? values : null;
    }

    private static char Rank(string segment) => segment.StartsWith("{*", StringComparison.Ordinal) ? '2' : segment[0] == '{' ? '1' : '0';
}
