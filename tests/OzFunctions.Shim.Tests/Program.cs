using System.Text;
using OzFunctions.Direct.Shims;
using OzFunctions.Shim.Protocol;
using OzFunctions.Shim.Tests;

// "patient-shim <private directory>" is a shim that comes round by itself after minutes only.
if (args is ["patient-shim", var ofAttempt])
{
    OzFunctions.Shim.Supervisor.LongestWait = (long)TimeSpan.FromMinutes(10).TotalMilliseconds;
    return OzFunctions.Shim.ShimProcess.Enter([ofAttempt]);
}

// "hurried-shim <private directory>" is a shim whose commands get half a second of grace at most when the lease is over.
if (args is ["hurried-shim", var ofHurried])
{
    StopLadder.LeaseGrace = TimeSpan.FromSeconds(0.5);
    return OzFunctions.Shim.ShimProcess.Enter([ofHurried]);
}

// "host <private directory> <workspace> <lease in seconds> <script>" is a host that tests shoot, or that stops its agent once that printed what it is sent, tells how it ended
// and ends its shim at the next line; everything else is the test runner.
if (args is ["host", var privateDirectory, var workspace, var lease, var script])
{
    var shims = new Shims(new ShimBinary(ShimBinary.Beside(AppContext.BaseDirectory)), TimeProvider.System);
    var command = new ShimCommand { Phase = ShimPhase.Agent, Arguments = ["/bin/sh", "-c", script], Environment = ShimRig.PlainEnvironment, WorkingDirectory = workspace };
    var launch = new ShimLaunch
    {
        PrivateDirectory = privateDirectory,
        Lease = TimeSpan.FromSeconds(double.Parse(lease)),
        Teardown = command with { Phase = ShimPhase.Teardown, Arguments = ["/bin/sh", "-c", "echo $$ >> torn-down"] },
    };
    var session = await shims.LaunchAsync(launch, CancellationToken.None);
    if (script.Length > 0)
    {
        await session.StartAsync(command, CancellationToken.None);
    }

    Console.WriteLine(session.Status.Pid);
    if (await Console.In.ReadLineAsync() is { } text)
    {
        await ShimRig.OutputHoldsAsync(session, privateDirectory, text, CancellationToken.None);
        await session.StopAsync(ShimStopCause.Cancel, TimeSpan.Zero, CancellationToken.None);
        await session.WaitAsync(ShimPhase.Agent, CancellationToken.None);
        Console.WriteLine(Encoding.UTF8.GetString(ShimStatusJson.Write(session.Status)));
        await Console.In.ReadLineAsync();
        await session.EndAsync(CancellationToken.None);
        return 0;
    }

    await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System);
}

return await Xunit.MicrosoftTestingPlatform.TestPlatformTestFramework.RunAsync(args, OzFunctions.Shim.Tests.SelfRegisteredExtensions.AddSelfRegisteredExtensions);
