using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Vms;

/// <summary>What becomes of machines when the daemon dies.</summary>
[Collection(VmCollection.Name)]
public sealed class VmCrashTests(VmGuests guests)
{
    [Fact]
    public async Task After_a_crash_no_tap_process_or_file_is_left_and_the_snapshot_still_does()
    {
        var root = Directory.CreateTempSubdirectory("stint-e2e-").FullName;
        using var host = await VmHostNetwork.MakeAsync();
        string[] flags = ["--kvm", "never", "--network-stock", "1"];
        try
        {
            string instance;
            await using (var first = await StintDaemon.StartAsync(new DaemonSetup { Root = root, Namespace = host.Namespace, Flags = flags, Before = daemon => guests.Put(daemon, "f", "keepalive = -1", VmTests.Calls + VmTests.MicroVm) }))
            {
                await first.WaitForLogAsync("f serves version");
                var (status, body) = await first.CallAsync("f", "x");
                Assert.True(status == 200, body);
                instance = Assert.Single(Directory.GetDirectories(Path.Combine(first.Temporary, "faas")));
                Assert.NotEmpty(await host.LinksAsync());
                await first.KillAsync();
                await Retry.UntilAsync("its processes are gone", () => HypervisorProcess.Of(first).Count == 0 && !first.FindLeftovers().Any(static left => left.StartsWith("process", StringComparison.Ordinal)));
            }
            await using var second = await StintDaemon.StartAsync(new DaemonSetup { Root = root, Namespace = host.Namespace, Flags = flags });
            Assert.False(Directory.Exists(instance));
            Assert.Empty(await host.LinksAsync());
            await second.WaitForLogAsync("f serves version");
            var (again, answer) = await second.CallAsync("f", "y");
            Assert.True(again == 200, answer);
            Assert.Contains("-incoming", Assert.Single(HypervisorProcess.Of(second)).Command, StringComparison.Ordinal);
            second.Signal(15);
            Assert.Equal(0, await second.ExitAsync());
            await second.RequireNothingLeftAsync();
            Assert.Empty(await host.LinksAsync());
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }
}
