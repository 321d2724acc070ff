namespace OzFunctions.Direct.Workspaces;

/// <summary>The workspace of an attempt could not be made. The message is for people.</summary>
internal sealed class WorkspaceException(string message, Exception? inner = null) : Exception(message, inner);
