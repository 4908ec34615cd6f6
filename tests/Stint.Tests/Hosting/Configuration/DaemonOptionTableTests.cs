using System.Reflection;
using System.Text;
using Stint.Hosting;
using Stint.Hosting.Configuration;
using Stint.Tests.Functions;

namespace Stint.Tests.Hosting.Configuration;

public sealed class DaemonOptionTableTests
{
    [Fact]
    public void Every_member_of_the_options_has_a_key() =>
        Assert.Equal(typeof(DaemonOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance).Length, DaemonOptionTable.All.Count);

    [Fact]
    public void Names_have_three_spellings()
    {
        var option = DaemonOptionTable.Find("management-listen")!;
        Assert.Equal(("management-listen", "--management-listen", "STINT_MANAGEMENT_LISTEN"), (option.Name, option.Flag, option.Variable));
        Assert.Equal("[\"127.0.0.1\", \"::1\"]", option.Default);
    }

    [Fact]
    public void Only_true_or_false_options_are_switches() => Assert.Equal(["worker", "store-on-create", "coap-multicast", "insecure", "basic-auth", "funless-auth", "allow-local-urls"], DaemonOptionTable.All.Where(o => o.IsSwitch).Select(o => o.Name));

    [Fact]
    public void Every_default_but_those_in_words_reads_back_as_itself()
    {
        foreach (var option in DaemonOptionTable.All.Where(o => char.IsDigit(o.Default[0]) || o.Default[0] is '"' or '[' or 't' or 'f' && !o.Default.Contains(' ', StringComparison.Ordinal)))
        {
            var file = new OptionsFile("/stint.toml", Encoding.UTF8.GetBytes($"{option.Name} = {option.Default}\n"));
            Assert.Empty(OptionsLoader.Load(new Dictionary<string, string>(), new Dictionary<string, string>(), file, isRoot: true).Problems);
        }
    }

    [Fact]
    public void The_page_is_current() => GeneratedPage.AssertCurrent(ConfigurationReference.Render(), "docs", "configuration.md");

    [Fact]
    public void The_example_of_the_page_is_valid()
    {
        var file = new OptionsFile("/stint.toml", Encoding.UTF8.GetBytes(Assert.Single(GeneratedPage.Blocks(ConfigurationReference.Render(), "toml"))));
        Assert.Empty(OptionsLoader.Load(new Dictionary<string, string>(), new Dictionary<string, string>(), file, isRoot: true).Problems);
    }
}
