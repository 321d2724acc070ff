namespace OzFunctions.Testing.Azurite;

/// <summary>One emulator for all tests of an assembly, started by the first that needs it; each takes an account of its own.</summary>
public sealed class SharedAzurite : IAsyncLifetime
{
    private readonly Lazy<Task<AzuriteProcess>> _process = new(() => AzuriteProcess.StartAsync(CancellationToken.None));

    public Task<AzuriteProcess> GetAsync() => _process.Value;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_process.IsValueCreated && _process.Value.IsCompletedSuccessfully)
        {
            await (await _process.Value).DisposeAsync();
        }
    }
}
