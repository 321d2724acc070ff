namespace OzFunctions.Local;

/// <summary>Which system this process runs on, asked wherever a call of Linux has a stand-in of .NET's own.</summary>
public static class HostSystem
{
    /// <summary>In a <c>runtimeconfig.json</c>: this product behaves as it does outside Linux. So its tests run what nobody of theirs has a machine for.</summary>
    public const string Switch = "OzFunctions.OutsideLinux";

    public static bool IsLinux { get; } = OperatingSystem.IsLinux() && !(AppContext.TryGetSwitch(Switch, out var outside) && outside);
}
