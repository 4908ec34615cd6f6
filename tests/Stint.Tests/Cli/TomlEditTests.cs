using Stint.Cli;

namespace Stint.Tests.Cli;

public sealed class TomlEditTests
{
    [Theory]
    // An empty file, and tables that are not there.
    [InlineData("", "", "timeout", "5", "timeout = 5\n\n")]
    [InlineData("a = 1\n", "process", "memory", "5", "a = 1\n\n[process]\nmemory = 5\n")]
    // Replaced where it stands, whatever its spelling.
    [InlineData("timeout = 1 # old\nb = 2\n", "", "timeout", "5", "timeout = 5\nb = 2\n")]
    [InlineData("[process]\n  memory=1\n[x]\nmemory = 2\n", "process", "memory", "5", "[process]\n  memory = 5\n[x]\nmemory = 2\n")]
    [InlineData("[ process ] # here\n\"memory\" = 1\n", "process", "memory", "5", "[ process ] # here\n\"memory\" = 5\n")]
    [InlineData("process.memory = 1\n", "process", "memory", "5", "process.memory = 5\n")]
    [InlineData("process.runtime = 'x'\n", "process", "memory", "5", "process.memory = 5\nprocess.runtime = 'x'\n")]
    // A top-level key goes above every table.
    [InlineData("a = 1\n[process]\nb = 1\n", "", "timeout", "5", "a = 1\ntimeout = 5\n[process]\nb = 1\n")]
    [InlineData("[process]\nb = 1\n", "", "b", "5", "b = 5\n[process]\nb = 1\n")]
    // A new key goes behind the table's last one.
    [InlineData("[process]\nb = 1\n\n[env]\n", "process", "memory", "5", "[process]\nb = 1\nmemory = 5\n\n[env]\n")]
    // What looks like a key or a table inside a value is none.
    [InlineData("a = \"\"\"\n[process]\nmemory = 1\n\"\"\"\n[process]\nmemory = 2\n", "process", "memory", "5", "a = \"\"\"\n[process]\nmemory = 1\n\"\"\"\n[process]\nmemory = 5\n")]
    [InlineData("a = [ # ]\n  '[process]',\n]\nb = 1\n", "", "b", "5", "a = [ # ]\n  '[process]',\n]\nb = 5\n")]
    [InlineData("a = \"\\\"#\"\nb = 1\n", "", "b", "5", "a = \"\\\"#\"\nb = 5\n")]
    // A value of several lines is replaced whole.
    [InlineData("a = [\n1,\n2\n]\nb = 1\n", "", "a", "5", "a = 5\nb = 1\n")]
    // Keys that need quotes.
    [InlineData("[env]\n\"a.b\" = '1'\n", "env", "a.b", "'2'", "[env]\n\"a.b\" = '2'\n")]
    [InlineData("[env]\n", "env", "a.b", "'2'", "[env]\n\"a.b\" = '2'\n")]
    public void A_key_is_set_and_the_rest_stays(string text, string table, string key, string value, string expected)
    {
        var edit = new TomlEdit(text);
        edit.Set(table, key, value);
        Assert.Equal(expected, edit.ToString());
    }

    [Fact]
    public void An_inline_table_is_refused_with_the_cure()
    {
        var edit = new TomlEdit("env = { A = '1' }\n");
        var error = Assert.Throws<CliException>(() => edit.Set("env", "B", "'2'"));
        Assert.Contains("[env]", error.Message, StringComparison.Ordinal);
        Assert.Equal(ExitCode.BadConfiguration, error.ExitCode);
    }

    [Theory]
    [InlineData("plain", "\"plain\"")]
    [InlineData("a\"b\\c", "\"a\\\"b\\\\c\"")]
    [InlineData("a\nb\tc\u0001", "\"a\\nb\\tc\\u0001\"")]
    [InlineData("ünï", "\"ünï\"")]
    public void Strings_are_quoted(string value, string expected) => Assert.Equal(expected, TomlEdit.Quote(value));
}
