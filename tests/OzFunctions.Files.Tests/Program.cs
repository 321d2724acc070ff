using OzFunctions.Files.Processes;
using OzFunctions.Files.Tests;
using Xunit.MicrosoftTestingPlatform;

// Tests of several processes start this program again as the others.
if (args is [Child.Verb, .. var rest])
{
    return await Child.RunAsync(rest);
}

return await TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions);
