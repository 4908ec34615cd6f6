using Stint.Backends.Wasm;

namespace Stint.Tests.Backends.Wasm;

public sealed class LoadedModulesTests
{
    [Fact]
    public void The_least_recently_used_go_when_room_is_needed()
    {
        var modules = new LoadedModules(100);
        foreach (var hash in (string[])["a", "b", "c"])
        {
            Assert.Empty(modules.MakeRoom(30));
            modules.Add(hash, 30);
        }
        Assert.True(modules.Use("a"));
        Assert.Equal(["b"], modules.MakeRoom(30));
        modules.Add("d", 30);
        Assert.False(modules.Use("b"));
        Assert.True(modules.Contains("a"));
    }

    [Fact]
    public void One_that_is_larger_than_all_the_room_is_kept_alone()
    {
        var modules = new LoadedModules(100);
        modules.Add("a", 90);
        Assert.Equal(["a"], modules.MakeRoom(1000));
        modules.Add("large", 1000);
        Assert.True(modules.Use("large"));
        Assert.Equal(["large"], modules.MakeRoom(1));
    }

    [Fact]
    public void A_functions_settings_are_news_once_and_again_when_its_module_comes_back()
    {
        var modules = new LoadedModules(100);
        modules.Add("a", 60);
        Assert.True(modules.Define("a", "f"));
        Assert.False(modules.Define("a", "f"));
        Assert.True(modules.Define("a", "g"));
        modules.MakeRoom(60);
        modules.Add("b", 60);
        modules.MakeRoom(60);
        modules.Add("a", 60);
        Assert.True(modules.Define("a", "f"));
    }
}
