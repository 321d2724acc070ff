namespace OzFunctions.Shim;

/// <summary>The shim cannot start; the sentence is told to the host that launched it.</summary>
internal sealed class StartException(string message) : Exception(message);
