using OzFunctions.Cli.CommandLine;

return await OzfProgram.RunAsync(args, Surroundings.OfThisProcess());
