using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Stint.Security;
using Stint.Security.Tokens;
using Stint.Tests.Functions;
using Stint.Tests.Time;

namespace Stint.Tests.Security.Tokens;

public sealed class SubjectStoreTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly FakeTime _time = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Admin_and_guest_are_there_from_the_start_and_keep_their_tokens()
    {
        var store = Open();
        Assert.Equal([("admin", true), ("guest", false)], store.List().Select(static subject => (subject.Name, subject.IsAdmin)));
        var tokens = store.List().Select(store.TokenOf).ToArray();
        Assert.Equal(tokens, Open().List().Select(store.TokenOf));
        Assert.True(store.Authenticate($"Bearer {tokens[0]}")!.IsAdmin);
        Assert.False(store.Authenticate($"bearer  {tokens[1]} ")!.IsAdmin);
    }

    [Fact]
    public void Nothing_on_disk_is_a_token()
    {
        var store = Open();
        var token = store.TokenOf(store.TryAdd("alice")!);
        foreach (var file in new[] { "key", "subjects.json" })
        {
            Assert.DoesNotContain(token, File.ReadAllText(_folder[$"funless/{file}"], Encoding.Latin1), StringComparison.Ordinal);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder[$"funless/{file}"]));
        }
        Assert.Equal(2, Directory.EnumerateFileSystemEntries(_folder["funless"]).Count());
    }

    [Fact]
    public void A_token_is_good_for_fourteen_days_and_not_a_second_longer()
    {
        var store = Open();
        var token = store.TokenOf(store.TryAdd("alice")!);
        _time.Advance(TimeSpan.FromDays(14) - TimeSpan.FromSeconds(1));
        Assert.NotNull(store.Authenticate($"Bearer {token}"));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(store.Authenticate($"Bearer {token}"));
        var fresh = store.TokenOf(store.Renew("alice")!);
        Assert.NotNull(store.Authenticate($"Bearer {fresh}"));
        Assert.Null(store.Authenticate($"Bearer {token}"));
    }

    [Fact]
    public void Whoever_is_removed_is_out_at_once_and_stays_out_when_the_name_is_given_again()
    {
        var store = Open();
        var token = store.TokenOf(store.TryAdd("alice")!);
        Assert.Null(store.TryAdd("alice"));
        Assert.True(store.TryRemove("alice"));
        Assert.False(store.TryRemove("alice"));
        Assert.Null(store.Authenticate($"Bearer {token}"));
        // In the same second.
        Assert.NotEqual(token, store.TokenOf(store.TryAdd("alice")!));
        Assert.Null(store.Authenticate($"Bearer {token}"));
        Assert.Null(Open().Authenticate($"Bearer {token}"));
    }

    [Fact]
    public void Admin_cannot_be_removed_but_gets_another_token()
    {
        var store = Open();
        var token = store.TokenOf(store.List()[0]);
        Assert.True(store.TryRemove("admin"));
        Assert.Null(store.Authenticate($"Bearer {token}"));
        Assert.True(store.Authenticate($"Bearer {store.TokenOf(store.List()[0])}")!.IsAdmin);
    }

    [Fact]
    public void The_platforms_own_tokens_are_renewed_before_they_expire_and_the_ones_before_stay_good_until_then()
    {
        var store = Open();
        var alice = store.TokenOf(store.TryAdd("alice")!);
        var guest = store.TokenOf(store.List().Single(static subject => subject.Name == "guest"));
        _time.Advance(TimeSpan.FromDays(12) - TimeSpan.FromSeconds(1));
        Assert.False(store.RenewOwn());
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(store.RenewOwn());
        Assert.False(store.RenewOwn());
        var next = Open();
        var renewed = next.TokenOf(next.List().Single(static subject => subject.Name == "guest"));
        Assert.NotEqual(guest, renewed);
        Assert.NotNull(next.Authenticate($"Bearer {guest}"));
        Assert.NotNull(next.Authenticate($"Bearer {renewed}"));
        Assert.Equal(alice, next.TokenOf(next.List().Single(static subject => subject.Name == "alice")));
        _time.Advance(TimeSpan.FromDays(2));
        Assert.Null(next.Authenticate($"Bearer {guest}"));
        Assert.NotNull(next.Authenticate($"Bearer {renewed}"));
        // Renewed by hand, the one before is out at once.
        next.Renew("guest");
        Assert.Null(next.Authenticate($"Bearer {renewed}"));
    }

    [Fact]
    public void With_another_key_everybody_has_another_token()
    {
        var before = Open();
        var tokens = before.List().Select(before.TokenOf).ToArray();
        File.Delete(_folder["funless/key"]);
        var after = Open();
        Assert.All(tokens, token => Assert.Null(after.Authenticate($"Bearer {token}")));
        Assert.All(after.List(), subject => Assert.Equal(subject.Name, after.Authenticate($"Bearer {after.TokenOf(subject)}")!.Name));
    }

    [Fact]
    public void Files_that_are_no_good_are_named()
    {
        Open();
        File.WriteAllText(_folder["funless/subjects.json"], "[{");
        Assert.Contains("subjects.json", Assert.Throws<IOException>(Open).Message, StringComparison.Ordinal);
        File.WriteAllText(_folder["funless/subjects.json"], "[{\"name\":\"a\"}]");
        Assert.Contains("subjects.json", Assert.Throws<IOException>(Open).Message, StringComparison.Ordinal);
        File.Delete(_folder["funless/subjects.json"]);
        File.WriteAllText(_folder["funless/key"], "short");
        Assert.Contains("has 5 bytes instead of 32", Assert.Throws<IOException>(Open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_changed_token_is_good()
    {
        var store = Open();
        var token = store.TokenOf(store.List()[0]);
        foreach (var header in new[] { null, "", "Bearer", "Bearer ", token, "Basic " + token, "Bearer .", "Bearer a.b", "Bearer " + token + "A", "Bearer " + token[..^1], "Bearer ***.***", "Bearer " + new string('A', 100_000) + "." })
            Assert.Null(store.Authenticate(header));
        var letters = Gen.Elements("ABCxyz019-_.=".ToCharArray());
        Prop.ForAll(Gen.Choose(0, token.Length - 1).ToArbitrary(), letters.ToArbitrary(), (at, letter) =>
        {
            var changed = string.Concat(token.AsSpan(0, at), [letter], token.AsSpan(at + 1));
            // The last letter of a base64 text has bits that say nothing; the hash is of the text, so it counts nevertheless.
            return changed == token || store.Authenticate($"Bearer {changed}") is null;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2_000));
        // Signed with another key, for the same claims.
        using var other = new TempFolder();
        var forger = new SubjectStore(other["funless"], _time);
        Assert.Null(store.Authenticate($"Bearer {forger.TokenOf(store.List()[0])}"));
    }

    [Fact]
    public void Rights_follow_from_whose_token_it_is()
    {
        var store = Open();
        var management = new ManagementAccess(ManagementToken.LoadOrCreate(_folder["token"]), null);
        var access = new SubjectAccess(store, management, isOpen: false);
        Assert.Equal(SubjectRights.None, access.RightsOf(null));
        Assert.Equal(SubjectRights.Everything, access.RightsOf($"Bearer {store.TokenOf(store.List()[0])}"));
        Assert.Equal(SubjectRights.Functions, access.RightsOf($"Bearer {store.TokenOf(store.List()[1])}"));
        Assert.Equal(SubjectRights.Everything, access.RightsOf($"Bearer {File.ReadAllText(_folder["token"]).Trim()}"));
        var open = new SubjectAccess(store, management, isOpen: true);
        Assert.Equal(SubjectRights.Functions, open.RightsOf(null));
        Assert.Equal(SubjectRights.Functions, open.RightsOf("Bearer nonsense"));
        Assert.Equal(SubjectRights.Everything, open.RightsOf($"Bearer {store.TokenOf(store.List()[0])}"));
        // A subject's token is no key to the rest of management.
        Assert.False(management.Accepts($"Bearer {store.TokenOf(store.List()[0])}"));
    }

    [Fact]
    public void There_are_no_more_than_so_many()
    {
        var store = Open();
        for (var i = store.List().Count; i < SubjectStore.MaxSubjects; i++) Assert.NotNull(store.TryAdd($"s{i}"));
        Assert.Contains("revoke", Assert.Throws<IOException>(() => store.TryAdd("one_more")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_one_gateway_keeps_another_takes_over_with_its_key_and_its_next_life_too()
    {
        var first = Open();
        var token = first.TokenOf(first.TryAdd("alice")!);
        using var other = new TempFolder();
        var told = 0;
        var second = new SubjectStore(other["funless"], _time) { Adopted = () => told++ };
        var own = second.TokenOf(second.List()[0]);
        Assert.Null(second.Authenticate($"Bearer {token}"));
        second.Adopt(first.Export());
        second.Adopt(first.Export()); // the same again is nothing new
        Assert.Equal(1, told);
        Assert.Equal("alice", second.Authenticate($"Bearer {token}")!.Name);
        Assert.Null(second.Authenticate($"Bearer {own}"));
        Assert.Equal("alice", new SubjectStore(other["funless"], _time).Authenticate($"Bearer {token}")!.Name);

        Assert.Throws<IOException>(() => second.Adopt(new Dictionary<string, byte[]> { ["key"] = new byte[32] }));
        Assert.Throws<IOException>(() => second.Adopt(new Dictionary<string, byte[]> { ["key"] = new byte[31], ["subjects.json"] = "[]"u8.ToArray() }));
        Assert.Throws<IOException>(() => second.Adopt(new Dictionary<string, byte[]> { ["key"] = new byte[32], ["subjects.json"] = "{"u8.ToArray() }));
        Assert.Equal("alice", second.Authenticate($"Bearer {token}")!.Name);
    }

    private SubjectStore Open() => new(_folder["funless"], _time);
}
