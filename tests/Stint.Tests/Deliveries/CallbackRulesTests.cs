using System.Net;
using Stint.Deliveries;
using Stint.Deliveries.Callbacks;
using Stint.Ingress.Http;
using Stint.Invocations;

namespace Stint.Tests.Deliveries;

public sealed class CallbackRulesTests
{
    [Theory]
    [InlineData("http://127.0.0.1/")]
    [InlineData("http://127.9.9.9:8080/x")]
    [InlineData("http://2130706433/")]          // 127.0.0.1 as one number
    [InlineData("http://0x7f.1/")]
    [InlineData("http://0/")]
    [InlineData("http://0.0.0.0/")]
    [InlineData("http://localhost/")]
    [InlineData("http://LOCALHOST:1/")]
    [InlineData("http://[::1]/")]
    [InlineData("http://[::]/")]
    [InlineData("http://[::ffff:127.0.0.1]/")]
    [InlineData("http://[::ffff:169.254.169.254]/")]
    [InlineData("http://[::127.0.0.1]/")]
    [InlineData("http://[64:ff9b::7f00:1]/")]
    [InlineData("http://[2002:7f00:1::]/")]
    [InlineData("http://[fe80::1]/")]
    [InlineData("http://[fe80::1%25eth0]/")]
    [InlineData("http://[ff02::1]/")]
    [InlineData("http://169.254.169.254/latest/meta-data")]
    [InlineData("http://224.0.0.1/")]
    [InlineData("http://255.255.255.255/")]
    [InlineData("ftp://example.com/")]
    [InlineData("file:///etc/passwd")]
    [InlineData("/relative")]
    [InlineData("")]
    [InlineData("http://")]
    public void A_url_that_leads_to_this_host_or_nowhere_is_refused_at_once(string url) => Assert.NotNull(new CallbackRules([]).Refuse(url));

    [Theory]
    [InlineData("http://example.com/")]
    [InlineData("https://192.0.2.7:8443/a?b=c")]
    [InlineData("http://10.0.0.1/")]
    [InlineData("http://[2001:db8::1]/")]
    public void Others_are_accepted(string url) => Assert.Null(new CallbackRules([]).Refuse(url));

    [Fact]
    public void What_the_operator_allows_is_accepted_and_nothing_else()
    {
        var rules = new CallbackRules([IPNetwork.Parse("127.0.0.0/8")]);
        Assert.Null(rules.Refuse("http://127.0.0.1:9/"));
        Assert.Null(rules.Refuse("http://[::ffff:127.0.0.1]:9/"));
        Assert.Null(rules.Refuse("http://localhost/"));
        Assert.NotNull(rules.Refuse("http://[::1]/"));
        Assert.NotNull(rules.Refuse("http://169.254.169.254/"));
    }

    [Fact]
    public void A_url_that_is_too_long_is_refused() => Assert.Contains("2048", new CallbackRules([]).Refuse("http://example.com/" + new string('a', 2048)), StringComparison.Ordinal);

    [Fact]
    public void The_status_of_an_outcome_is_the_one_of_http()
    {
        foreach (var outcome in Enum.GetValues<Outcome>()) Assert.Equal(HttpOutcome.Status(outcome), CallEnd.StatusOf(outcome));
    }
}
