namespace OzFunctions.Direct.Environments;

/// <summary>This host's policy does not let the run go on as it was asked for (FAILED <c>policy_refused</c>). The message is for people.</summary>
internal sealed class RunRefusedException(string message) : Exception(message);
