using OzFunctions.Shim;

return ShimProcess.Enter(args);
