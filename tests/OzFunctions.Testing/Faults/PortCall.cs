namespace OzFunctions.Testing.Faults;

/// <summary>One call of a port, or a step of the work between calls, in which a process may be failed, held up or killed.</summary>
/// <param name="Port"><c>blobs</c>, <c>bell</c>, <c>queue</c>, <c>events</c>, or <c>step</c> for the protocol's own steps.</param>
/// <param name="Name">The blob, worker, message, event or run it is about.</param>
/// <param name="Writes">It changes something.</param>
public sealed record PortCall(string Port, string Method, string Name, bool Writes)
{
    public override string ToString() => $"{Port}.{Method} {Name}";
}

/// <summary>Decides what becomes of a process' calls.</summary>
public interface IPortFaults
{
    /// <param name="make">Makes the call. May be made later than this answers, or never.</param>
    /// <param name="refused">The answer of a refused condition, which is what an SDK that repeats a call makes of its own success; null: the call knows none.</param>
    Task<T> CallAsync<T>(PortCall call, Func<Task<T>> make, Func<T>? refused);
}
