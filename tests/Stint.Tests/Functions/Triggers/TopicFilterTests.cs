using FsCheck;
using FsCheck.Fluent;
using Stint.Functions.Triggers;

namespace Stint.Tests.Functions.Triggers;

public sealed class TopicFilterTests
{
    // The examples of MQTT 5.0, sections 4.7.1.2, 4.7.1.3, 4.7.2 and 4.7.3, and what follows from them.
    [Theory]
    [InlineData("sport/tennis/player1/#", "sport/tennis/player1", true)]
    [InlineData("sport/tennis/player1/#", "sport/tennis/player1/ranking", true)]
    [InlineData("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true)]
    [InlineData("sport/#", "sport", true)]
    [InlineData("sport/#", "sports", false)]
    [InlineData("#", "a/b/c", true)]
    [InlineData("#", "/", true)]
    [InlineData("sport/tennis/+", "sport/tennis/player1", true)]
    [InlineData("sport/tennis/+", "sport/tennis/player1/ranking", false)]
    [InlineData("sport/+", "sport", false)]
    [InlineData("sport/+", "sport/", true)]
    [InlineData("+/+", "/finance", true)]
    [InlineData("/+", "/finance", true)]
    [InlineData("+", "/finance", false)]
    [InlineData("#", "$SYS/uptime", false)]
    [InlineData("+/monitor/Clients", "$SYS/monitor/Clients", false)]
    [InlineData("$SYS/#", "$SYS/uptime", true)]
    [InlineData("$SYS/monitor/+", "$SYS/monitor/Clients", true)]
    [InlineData("a/+/$x", "a/b/$x", true)]
    [InlineData("a/#", "a/$b", true)]
    [InlineData("ACCOUNTS", "Accounts", false)]
    [InlineData("a b", "a b", true)]
    [InlineData("a//b", "a//b", true)]
    [InlineData("a/+/b", "a//b", true)]
    [InlineData("a/b", "a/b/", false)]
    [InlineData("a/b/", "a/b", false)]
    [InlineData("a/b/c", "a/b", false)]
    [InlineData("+/#", "a", true)]
    [InlineData("$share/group/a/+", "a/b", true)]
    [InlineData("$share/group/#", "$SYS/x", false)]
    public void A_topic_matches_as_the_standard_says(string filter, string topic, bool expected)
    {
        Assert.True(TopicFilter.TryParse(filter, out var parsed, out _));
        Assert.Equal(expected, parsed.Matches(topic));
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("sport/tennis#", "a # that is not its last level")]
    [InlineData("sport/tennis/#/ranking", "a # that is not its last level")]
    [InlineData("#/", "a # that is not its last level")]
    [InlineData("sport+", "a + within a level")]
    [InlineData("a/b+/c", "a + within a level")]
    [InlineData("a\0b", "U+0000")]
    [InlineData("$share/group", "a shared subscription without its parts")]
    [InlineData("$share//a", "a shared subscription without its parts")]
    [InlineData("$share/a+/b", "a shared subscription without its parts")]
    [InlineData("$share/g/", "is empty")]
    [InlineData("$share/g/a#", "a # that is not its last level")]
    public void What_is_no_filter_is_refused_with_a_reason(string text, string problem)
    {
        Assert.False(TopicFilter.TryParse(text, out _, out var said));
        Assert.Contains(problem, said, StringComparison.Ordinal);
    }

    [Fact]
    public void A_filter_may_have_as_many_bytes_as_the_standard_allows()
    {
        Assert.True(TopicFilter.TryParse(new string('x', 65_535), out _, out _));
        Assert.False(TopicFilter.TryParse(new string('ü', 32_768), out _, out _));
    }

    [Fact]
    public void A_shared_subscription_has_a_group()
    {
        Assert.True(TopicFilter.TryParse("$share/workers/a/b", out var filter, out _));
        Assert.Equal(("workers", "a/b", "$share/workers/a/b"), (filter.Group, filter.Filter, filter.Text));
    }

    [Fact]
    public void A_filter_matches_exactly_what_a_slow_reading_of_the_standard_does()
    {
        var levels = Gen.Elements("", "a", "b", "$x", "+", "#");
        var text = Gen.Choose(1, 4).SelectMany(count => levels.ArrayOf(count)).Select(static parts => string.Join('/', parts));
        Prop.ForAll(text.ToArbitrary(), text.ToArbitrary(), static (filter, topic) =>
        {
            if (!TopicFilter.TryParse(filter, out var parsed, out _) || TopicFilter.ProblemOfName(topic) is not null) return;
            Assert.Equal(Slowly(filter.Split('/'), topic.Split('/')) && !(topic[0] == '$' && filter[0] is '+' or '#' && topic[0] == '$'), parsed.Matches(topic));
        }).QuickCheckThrowOnFailure();

        static bool Slowly(string[] filter, string[] topic) =>
            filter is ["#"] || (filter.Length == 0 ? topic.Length == 0 : topic.Length == 0 ? filter is ["#"] : (filter[0] == "+" || filter[0] == topic[0]) && Slowly(filter[1..], topic[1..]));
    }

    [Theory]
    [InlineData("a/+", "wildcard")]
    [InlineData("a/#", "wildcard")]
    [InlineData("", "is empty")]
    public void A_topic_to_publish_to_has_no_wildcards(string name, string problem) => Assert.Contains(problem, TopicFilter.ProblemOfName(name), StringComparison.Ordinal);
}
