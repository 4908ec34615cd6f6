using Stint.Backends;
using Stint.Functions;
using Stint.Functions.Secrets;
using Stint.Tests.Pools;

namespace Stint.Tests.Functions.Secrets;

public sealed class SecretStoreTests : IDisposable
{
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Values_are_kept_as_bytes_for_the_owner_alone_and_across_restarts()
    {
        byte[] value = [0, 255, 10, 13];
        Assert.True(new SecretStore(_folder["s"]).TryAdd("_", "a.key", value));
        var again = new SecretStore(_folder["s"]);
        Assert.Equal(value, again.Read("_", "a.key"));
        Assert.Equal(Owner, File.GetUnixFileMode(_folder["s/_/a.key"]));
        Assert.All(new[] { "s", "s/_" }, path => Assert.Equal(Owner | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder[path])));
    }

    [Fact]
    public void Adding_replacing_and_removing_say_whether_there_was_one()
    {
        var store = new SecretStore(_folder["s"]);
        Assert.False(store.TryReplace("_", "a", [1]));
        Assert.False(store.TryRemove("_", "a"));
        Assert.True(store.TryAdd("_", "a", [1]));
        Assert.False(store.TryAdd("_", "a", [2]));
        Assert.Equal([1], store.Read("_", "a"));
        Assert.True(store.TryReplace("_", "a", [3]));
        Assert.True(store.TryAdd("dev", "b", [4]));
        Assert.Equal(["a"], store.List("_"));
        Assert.Equal(["b"], store.List("dev"));
        Assert.Empty(store.List("nowhere"));
        Assert.Equal(["_", "dev"], store.Modules().Order());
        Assert.True(store.TryRemove("_", "a"));
        Assert.Null(store.Read("_", "a"));
        Assert.Equal(["dev"], store.Modules());
    }

    [Theory]
    [InlineData(""), InlineData("."), InlineData(".."), InlineData(".new"), InlineData("a/b"), InlineData("a\0"), InlineData("ä"), InlineData("a b")]
    public void A_name_that_leads_elsewhere_is_none(string name)
    {
        Assert.False(SecretName.IsValid(name));
        Assert.Throws<ArgumentException>(() => new SecretStore(_folder["s"]).TryAdd("_", name, [1]));
    }

    [Fact]
    public void An_instance_gets_what_its_function_names_and_an_unknown_one_is_named()
    {
        var store = new SecretStore(_folder["s"]);
        store.TryAdd("_", "a", [1]);
        store.TryAdd("_", "b", [2]);
        var copies = new FunctionSecrets(store).Copy(Version("a"), _folder["i"], FunctionSecrets.OwnersOnly);
        Assert.Equal(["a"], TempFolder.List(copies));
        Assert.Equal([1], File.ReadAllBytes(Path.Combine(copies, "a")));
        Assert.Contains("secret c", Assert.Throws<InstanceStartException>(() => new FunctionSecrets(store).Copy(Version("c"), _folder["j"], FunctionSecrets.OwnersOnly)).Message, StringComparison.Ordinal);
    }

    private static FunctionVersion Version(params string[] secrets) => new() { Name = PoolBench.Name("f"), Spec = new FunctionSpec { Secrets = secrets }, Id = "1", Folder = null, DeployedAt = DateTimeOffset.UnixEpoch };
}
