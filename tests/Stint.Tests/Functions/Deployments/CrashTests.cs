using Stint.Functions.Deployments;

namespace Stint.Tests.Functions.Deployments;

/// <summary>
/// At every step of a deployment the disk is copied as it is at that moment, which is what a <c>kill -9</c> would leave, and a new daemon's registry is started over the copy.
/// </summary>
public sealed class CrashTests
{
    public static TheoryData<bool, bool> Ways => new() { { true, true }, { true, false }, { false, true }, { false, false } };

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_crash_at_any_step_leaves_one_whole_version_and_no_debris(bool canExchange, bool isFirst)
    {
        using var crashes = new TempFolder();
        var steps = new List<DeploymentStep>();
        Workbench? bench = null;
        var armed = false;
        void Crash(DeploymentStep step)
        {
            if (!armed) return;
            steps.Add(step);
            Directory.CreateDirectory(crashes[step.ToString()]);
            Workbench.CopyFolder(bench!.Folder, crashes[step.ToString()]);
        }

        await using (bench = await new Workbench(deployer: new() { CanExchange = canExchange, Reached = Crash }).StartAsync())
        {
            if (!isFirst) await bench.DeployAsync("f", "old");
            armed = true;
            await bench.DeployAsync("f", "new");
        }

        Assert.Equal(Enum.GetValues<DeploymentStep>().Where(s => s != DeploymentStep.MovedAway || !canExchange && !isFirst), steps);
        foreach (var step in steps)
        {
            await using var after = await new Workbench(copyOf: crashes[step.ToString()]).StartAsync();
            var expected = step >= DeploymentStep.Swapped ? "new" : isFirst ? null : "old";
            Assert.Equal((step, expected), (step, after.ServedCode("f")));
            await Workbench.Until(() => after.BundleNames().Length == (expected is null ? 0 : 1));
            await after.AssertNoDebrisAsync();
            Assert.DoesNotContain(".staging/", TempFolder.List(after.Root));
            Assert.Empty(after.Registry.Snapshot.Problems);
        }
    }

    [Fact]
    public async Task A_failure_in_the_middle_of_a_swap_without_exchange_is_undone_at_once()
    {
        await using var bench = await new Workbench(deployer: new()
        {
            CanExchange = false, Reached = step => { if (step == DeploymentStep.MovedAway) throw new IOException("the disk went away"); },
        }).StartAsync();
        await bench.DeployAsync("f", "old");
        var error = await Assert.ThrowsAsync<DeploymentException>(() => bench.DeployAsync("f", "new"));
        Assert.Equal(DeploymentFault.HostLacks, error.Fault);
        Assert.Equal("old", await File.ReadAllTextAsync(Path.Combine(bench.Root, "_/f/code/fn.py")));
        Assert.Equal("old", bench.ServedCode("f"));
        Assert.Single(bench.Events);
        await bench.AssertNoDebrisAsync();
    }
}
