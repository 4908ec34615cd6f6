namespace Stint.Tests.Backends.Upstream;

/// <summary>Waits for what another thread or the kernel does; the limit only ends a test that would hang.</summary>
internal static class Eventually
{
    public static async Task IsTrueAsync(Func<bool> condition)
    {
        using var limit = new CancellationTokenSource(RawPeer.Limit);
        while (!condition()) await Task.Delay(TimeSpan.FromMilliseconds(2), TimeProvider.System, limit.Token);
    }
}
