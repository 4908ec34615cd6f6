using Stint.Cluster.Identity;

namespace Stint.Tests.Cluster.Identity;

public sealed class JoinTokenTests
{
    private const string Fingerprint = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    [Fact]
    public void A_token_is_read_as_it_was_given()
    {
        var token = JoinToken.Create(Fingerprint);
        Assert.True(JoinToken.TryParse($" {token.Reveal()}\n", out var read));
        Assert.Equal((token.Fingerprint, token.Id, token.Reveal()), (read.Fingerprint, read.Id, read.Reveal()));
        Assert.Equal(token.SecretHash(), read.SecretHash());
    }

    [Fact]
    public void Each_has_a_secret_of_its_own_and_shows_it_only_when_asked()
    {
        var (one, other) = (JoinToken.Create(Fingerprint), JoinToken.Create(Fingerprint));
        Assert.NotEqual(one.SecretHash(), other.SecretHash());
        Assert.DoesNotContain(one.Reveal().Split('.')[^1], $"{one}", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("stint-join-1")]
    [InlineData("stint-join-2.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0123456789abcdef.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]
    [InlineData("stint-join-1.0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef.0123456789abcdef.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]
    [InlineData("stint-join-1.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0123456789abcdef.0123456789abcdef")]
    [InlineData("stint-join-1.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.0123456789abcdef.0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.x")]
    public void Anything_else_is_no_token(string? text) => Assert.False(JoinToken.TryParse(text, out _));

    [Theory]
    [InlineData("a", true)]
    [InlineData("edge-7", true)]
    [InlineData("", false)]
    [InlineData("-a", false)]
    [InlineData("a-", false)]
    [InlineData("A", false)]
    [InlineData("a.b", false)]
    [InlineData("ä", false)]
    [InlineData("a234567890123456789012345678901234567890123456789012345678901234", false)]
    public void A_machines_name_is_a_label_of_DNS(string name, bool valid) => Assert.Equal(valid, NodeName.IsValid(name));
}
