using Stint.Functions.Registry;

namespace Stint.Tests.Functions.Registry;

/// <summary>The kernel's notifications of a folder and all below it.</summary>
public sealed class FolderNotificationsTests : IDisposable
{
    private readonly TempFolder _temp = new();
    private readonly SemaphoreSlim _told = new(0);
    private readonly FolderNotifications _notifications;

    public FolderNotificationsTests() => _notifications = new FolderNotifications(() => _told.Release());

    private string Root => _temp["root"];

    public void Dispose()
    {
        _notifications.Dispose();
        _temp.Dispose();
    }

    [Theory]
    [InlineData("new"), InlineData("f/new"), InlineData("f/code/new"), InlineData("f/code/fn.py")]
    public async Task What_changes_anywhere_is_told(string path)
    {
        _temp.Write("root/f/code/fn.py", "one");
        Assert.True(_notifications.Follow(Root, Path.Combine(Root, ".staging")));
        Assert.Equal(0, _told.CurrentCount);
        _temp.Write($"root/{path}", "two");
        await IsToldAsync();
    }

    [Fact]
    public async Task Folders_that_took_the_place_of_others_are_watched()
    {
        _temp.Write("root/f/code/fn.py", "0");
        _notifications.Follow(Root, Path.Combine(Root, ".staging"));
        for (var i = 1; i <= 20; i++)
        {
            _temp.Write($"root/.staging/{i}/code/fn.py", $"{i}");
            Directory.Move(Path.Combine(Root, "f"), Path.Combine(Root, $".staging/old{i}"));
            Directory.Move(Path.Combine(Root, $".staging/{i}"), Path.Combine(Root, "f"));
            if (i % 2 == 0) Directory.Delete(Path.Combine(Root, $".staging/old{i}"), recursive: true);
            if (i % 5 != 0) continue;
            _notifications.Follow(Root, Path.Combine(Root, ".staging"));
            await QuietAsync();
            _temp.Write("root/f/code/fn.py", $"{i}, edited");
            await IsToldAsync();
        }
    }

    [Fact]
    public async Task A_folder_that_was_not_there_is_watched_when_it_is()
    {
        Assert.False(_notifications.Follow(Root, Path.Combine(Root, ".staging")));
        _temp.Write("root/fn.py", "one");
        Assert.True(_notifications.Follow(Root, Path.Combine(Root, ".staging")));
        await QuietAsync();
        Directory.Delete(Root, recursive: true);
        await IsToldAsync();
        Assert.False(_notifications.Follow(Root, Path.Combine(Root, ".staging")));
    }

    private async Task IsToldAsync() => Assert.True(await _told.WaitAsync(TimeSpan.FromSeconds(30)), "nothing was told");

    // What was under way before has been told.
    private async Task QuietAsync()
    {
        while (await _told.WaitAsync(TimeSpan.FromMilliseconds(200))) { }
    }
}
