namespace OzFunctions.Requests;
public static class RunRequestReader { public static CheckedRequest Read(ReadOnlyMemory<byte> utf8) => throw new InvalidOperationException(); }
