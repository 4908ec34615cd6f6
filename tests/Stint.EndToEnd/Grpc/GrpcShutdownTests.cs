namespace Stint.EndToEnd.Grpc;

/// <summary>A daemon of its own, because it is stopped in the middle of the test.</summary>
public sealed class GrpcShutdownTests(GrpcDaemon daemon) : IClassFixture<GrpcDaemon>
{
    [Fact]
    public async Task A_watcher_of_the_health_service_is_told_that_the_daemon_stops_and_holds_nothing_up()
    {
        if (!daemon.HasTools) return;
        using var watcher = await daemon.BeginPythonAsync("watch_shutdown");
        await daemon.StopAsync();
        var error = watcher.StandardError.ReadToEndAsync();
        await watcher.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
        Assert.True(watcher.ExitCode == 0, await error);
    }
}
