using OzFunctions.Shim.Children;
using OzFunctions.Shim.Protocol;

namespace OzFunctions.Shim;

/// <summary>What the launching host said once.</summary>
internal sealed record ShimOrders(long LeaseUntil, long SpoolBytes, ShimCommand? Teardown, bool EndsWithHost, ShimLimits Limits, ShimUser? User, ProcFiles Proc);
