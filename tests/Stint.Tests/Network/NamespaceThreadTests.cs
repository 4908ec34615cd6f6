using Stint.Backends.Processes.Spawning;
using Stint.Network;

namespace Stint.Tests.Network;

/// <summary>A thread that is away in a network namespace must be home before anybody goes on after it: whatever is opened there, and every thread that is started there, would belong to that namespace.</summary>
public sealed class NamespaceThreadTests
{
    private static readonly string Home = Where("self");

    [Fact]
    public async Task What_comes_after_a_namespace_was_made_or_entered_runs_at_home()
    {
        await Task.WhenAll(Enumerable.Range(0, 64).Select(static async _ =>
        {
            using var space = await NetworkNamespace.MakeAsync();
            RequireHome();
            Assert.NotEqual(Home, await space.RunAsync(static () => Where("thread-self")));
            RequireHome();
            await RequireNewThreadsHomeAsync();
        }));
    }

    [Fact]
    public async Task Also_when_what_was_to_be_done_inside_fails()
    {
        using var space = await NetworkNamespace.MakeAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(() => space.RunAsync<bool>(static () => throw new InvalidOperationException("inside")));
        RequireHome();
        await RequireNewThreadsHomeAsync();
    }

    [Fact]
    public async Task A_namespace_that_is_none_is_not_entered()
    {
        var space = await NetworkNamespace.MakeAsync();
        space.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => space.RunAsync(static () => true));
        RequireHome();
    }

    [Fact]
    public async Task The_spawner_starts_children_in_their_namespace_and_goes_on_at_home()
    {
        using var spawner = new Spawner();
        using var space = await NetworkNamespace.MakeAsync();
        var inside = await space.RunAsync(static () => Where("thread-self"));
        await Task.WhenAll(Enumerable.Range(0, 32).Select(async number =>
        {
            var isInside = number % 2 == 0;
            Assert.Equal(isInside ? inside : Home, await WhereAsync(spawner, isInside ? space : null));
            RequireHome();
            await RequireNewThreadsHomeAsync();
        }));
    }

    [Fact]
    public async Task The_spawner_stays_at_home_when_there_is_no_such_namespace_or_no_such_program()
    {
        using var spawner = new Spawner();
        using var space = await NetworkNamespace.MakeAsync();
        using var none = File.OpenHandle("/dev/null");
        var refused = await Assert.ThrowsAsync<System.ComponentModel.Win32Exception>(() => spawner.StartAsync(new SpawnRequest { Executable = "/bin/true", Arguments = ["true"], Network = none, Output = static (_, _) => { } }));
        Assert.Contains("setns", refused.Message, StringComparison.Ordinal);
        var missing = await Assert.ThrowsAsync<System.ComponentModel.Win32Exception>(() => spawner.StartAsync(new SpawnRequest { Executable = "/bin/not-there", Arguments = ["x"], Network = space.File, Output = static (_, _) => { } }));
        Assert.Contains("/bin/not-there", missing.Message, StringComparison.Ordinal);
        Assert.Equal(Home, await WhereAsync(spawner, null));
    }

    private static string Where(string task) => new FileInfo($"/proc/{task}/ns/net").LinkTarget!;

    private static void RequireHome() => Assert.Equal(Home, Where("thread-self"));

    // A thread inherits the namespace of the one that starts it.
    private static Task RequireNewThreadsHomeAsync()
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                RequireHome();
                started.SetResult();
            }
            catch (Xunit.Sdk.XunitException elsewhere)
            {
                started.SetException(elsewhere);
            }
        }).Start();
        return started.Task;
    }

    private static async Task<string> WhereAsync(Spawner spawner, NetworkNamespace? space)
    {
        var said = new System.Text.StringBuilder();
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var child = await spawner.StartAsync(new SpawnRequest
        {
            Executable = "/usr/bin/readlink",
            Arguments = ["readlink", "/proc/self/ns/net"],
            Network = space?.File,
            Output = (stream, piece) =>
            {
                if (stream != OutputStream.Out) return;
                if (piece.IsEmpty) end.TrySetResult();
                else said.Append(System.Text.Encoding.ASCII.GetString(piece));
            },
        });
        await end.Task;
        await child.Exited;
        return said.ToString().Trim();
    }
}
