using OzFunctions.Runs;

namespace OzFunctions.Hosts;

/// <summary>The run that the bell rang for last, for the listing that follows.</summary>
internal sealed class RungRun
{
    private readonly Lock _gate = new();
    private RunId? _run;

    public void Put(RunId? run)
    {
        lock (_gate)
        {
            _run = run;
        }
    }

    /// <summary>Once: a later listing is not for it.</summary>
    public RunId? Take()
    {
        lock (_gate)
        {
            var run = _run;
            _run = null;
            return run;
        }
    }
}
