using System.Text;
using Stint.Security;
using Stint.Tests.Functions;

namespace Stint.Tests.Security;

public sealed class ManagementAccessTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("admin", "pa:ss wörd", true)]
    [InlineData("admin", "pa:ss wörd ", false)]
    [InlineData("admin", "pa", false)]
    [InlineData("Admin", "pa:ss wörd", false)]
    [InlineData("", "", false)]
    public void User_and_password_count_when_both_are_right(string user, string password, bool accepted)
    {
        _folder.Write("basic-auth-user", "admin\n");
        _folder.Write("basic-auth-password", "pa:ss wörd\n");
        var access = new ManagementAccess(ManagementToken.LoadOrCreate(_folder["token"]), BasicCredentials.Load(_folder.Path));
        Assert.Equal(accepted, access.Accepts(Basic(user, password)));
    }

    [Fact]
    public void The_token_counts_in_either_scheme()
    {
        var access = new ManagementAccess(ManagementToken.LoadOrCreate(_folder["token"]), null);
        var token = File.ReadAllText(_folder["token"]).Trim();
        Assert.True(access.Accepts($"Bearer {token}"));
        Assert.True(access.Accepts(Basic("admin", token)));
        Assert.False(access.Accepts(Basic("somebody", token)));
        Assert.False(access.Accepts($"Bearer {token}x"));
    }

    [Theory]
    [InlineData(null), InlineData(""), InlineData("Basic"), InlineData("Basic "), InlineData("Basic ***"), InlineData("Basic YWRtaW4="), InlineData("Digest YWRtaW46YQ=="), InlineData("Bearer")]
    public void What_is_no_header_is_refused(string? header) => Assert.False(new ManagementAccess(ManagementToken.LoadOrCreate(_folder["token"]), null).Accepts(header));

    [Fact]
    public void A_missing_or_an_empty_file_is_named()
    {
        Assert.Contains("basic-auth-user", Assert.Throws<IOException>(() => BasicCredentials.Load(_folder.Path)).Message, StringComparison.Ordinal);
        _folder.Write("basic-auth-user", "admin");
        Assert.Contains("basic-auth-password", Assert.Throws<IOException>(() => BasicCredentials.Load(_folder.Path)).Message, StringComparison.Ordinal);
        _folder.Write("basic-auth-password", " \n");
        Assert.Contains("is empty", Assert.Throws<IOException>(() => BasicCredentials.Load(_folder.Path)).Message, StringComparison.Ordinal);
    }

    private static string Basic(string user, string password) => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"));
}
