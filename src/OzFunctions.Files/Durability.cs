namespace OzFunctions.Files;

/// <summary>What a durable write survives.</summary>
public enum Durability
{
    /// <summary>Power loss: files and directories are synced before a write answers.</summary>
    Power,

    /// <summary>kill -9 of everything of ours, not the loss of power.</summary>
    Process,
}
