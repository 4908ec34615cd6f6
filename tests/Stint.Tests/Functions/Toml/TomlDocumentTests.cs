using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Stint.Functions.Toml;

namespace Stint.Tests.Functions.Toml;

public sealed class TomlDocumentTests
{
    public static TheoryData<string> ValidNames => [.. TomlCases.Valid.Select(c => c.Name)];

    public static TheoryData<string> InvalidNames => [.. TomlCases.Invalid.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(ValidNames))]
    public void Valid_text_is_read_as_the_specification_says(string name)
    {
        var expected = TomlCases.Valid.Single(c => c.Name == name);
        var document = TomlDocument.Parse(expected.Toml);
        Assert.Empty(document.Problems);
        var expectedValues = TaggedJson.Normalise(JsonNode.Parse(expected.Json, documentOptions: new JsonDocumentOptions { MaxDepth = 1000 })!);
        AssertEqual(expectedValues, TaggedJson.Of(document.Root));
    }

    [Theory]
    [MemberData(nameof(ValidNames))]
    public void What_was_read_is_written_and_read_again_equal(string name)
    {
        var document = TomlDocument.Parse(TomlCases.Valid.Single(c => c.Name == name).Toml);
        var again = TomlDocument.Parse(TomlWriter.Write(document.Root));
        Assert.Empty(again.Problems);
        AssertEqual(document.Root, again.Root);
    }

    [Theory]
    [MemberData(nameof(InvalidNames))]
    public void Invalid_text_is_refused_with_a_place_and_a_reason(string name)
    {
        var toml = TomlCases.Invalid.Single(c => c.Name == name).Toml;
        var problems = TomlDocument.Parse(toml).Problems;
        Assert.NotEmpty(problems);
        var problem = problems[0];
        Assert.NotEmpty(problem.Message);
        Assert.InRange(problem.Position.Line, 1, toml.Count(b => b == '\n') + 1);
        Assert.InRange(problem.Caret, 0, problem.Excerpt.Length);
    }

    [Fact]
    public void The_tables_of_cases_are_broad()
    {
        Assert.True(TomlCases.Valid.Count >= 150);
        Assert.True(TomlCases.Invalid.Count >= 300);
    }

    [Fact]
    public void Values_and_keys_know_their_places()
    {
        var root = TomlDocument.Parse("a = 1\n\n[t]\n  \"b\".c = [ 2,\n 'x' ]\n").Root;
        Assert.True(root.TryGet("a", out var a));
        Assert.Equal(new TomlPosition(1, 1), a.Position);
        Assert.Equal(new TomlPosition(1, 5), a.Value.Position);
        Assert.True(root.TryGet("t", out var t));
        Assert.Equal(new TomlPosition(3, 2), t.Position);
        Assert.True(((TomlTable)t.Value).TryGet("b", out var b));
        Assert.Equal(new TomlPosition(4, 3), b.Position);
        Assert.True(((TomlTable)b.Value).TryGet("c", out var c));
        Assert.Equal(new TomlPosition(4, 7), c.Position);
        Assert.Equal(new TomlPosition(5, 2), ((TomlArray)c.Value)[1].Position);
    }

    [Fact]
    public void All_broken_lines_are_reported_and_the_good_ones_read()
    {
        var document = TomlDocument.Parse("a = \nb = 1\nc = \"x\n[t\nd = 1\n[u]\ne = 2\ne = 3\n");
        Assert.Equal([1, 3, 4, 8], document.Problems.Select(p => p.Position.Line));
        Assert.Equal(["b", "u"], document.Root.Select(e => e.Key));
    }

    [Fact]
    public void An_open_array_ends_the_reading_with_one_problem()
    {
        var problem = Assert.Single(TomlDocument.Parse("a = [1,\nb = 2\nc = 3\n").Problems);
        Assert.Equal(2, problem.Position.Line);
    }

    [Fact]
    public void A_problem_shows_its_line_with_a_caret()
    {
        var problem = Assert.Single(TomlDocument.Parse("[process]\n\tmemory = 5x12\n").Problems);
        Assert.Equal(
            "function.toml:2:11: `5x12` is no number, date or time; digits may have single underscores between them, a text needs quotes: \"5x12\"\n 2 |  memory = 5x12\n   |           ^",
            problem.Render("function.toml"));
    }

    [Fact]
    public void A_long_line_is_shown_around_the_place()
    {
        var problem = Assert.Single(TomlDocument.Parse($"a = \"{new string('x', 5000)}\" ?{new string('y', 5000)}").Problems);
        Assert.Equal(TomlProblem.MaxExcerpt, problem.Excerpt.Length);
        Assert.Equal('?', problem.Excerpt[problem.Caret]);
    }

    [Theory]
    [InlineData("duplicate", "a = 1\nb = 2\na = 3\n", 3, 1, "already defined on line 1")]
    [InlineData("no quotes", "a = text\n", 1, 5, "needs quotes: \"text\"")]
    [InlineData("case", "a = True\n", 1, 5, "lower case")]
    [InlineData("utf-8", "", 2, 6, "0xFF is not valid UTF-8")]
    public void A_problem_says_what_and_where(string what, string toml, int line, int column, string message)
    {
        var problem = Assert.Single(TomlDocument.Parse(what == "utf-8" ? [.. "# ä\nb = \""u8, 0xFF, .. "\"\n"u8] : Encoding.UTF8.GetBytes(toml)).Problems);
        Assert.Equal(new TomlPosition(line, column), problem.Position);
        Assert.Contains(message, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_over_the_limit_is_refused()
    {
        Assert.Contains("at most", Assert.Single(TomlDocument.Parse(new byte[TomlDocument.MaxBytes + 1]).Problems).Message, StringComparison.Ordinal);
        Assert.Empty(TomlDocument.Parse(Enumerable.Repeat((byte)'\n', TomlDocument.MaxBytes).ToArray()).Problems);
    }

    [Theory]
    [InlineData("a = {0}", "[", "1")]
    [InlineData("a = {0}", "{{x=", "1")]
    [InlineData("{0} = 1", "a.", "a")]
    [InlineData("[{0}]", "a.", "a")]
    [InlineData("a = {{b = {0}", "[{{c.d = ", "1")]
    public void Deep_nesting_is_refused(string frame, string level, string core)
    {
        var text = string.Format(System.Globalization.CultureInfo.InvariantCulture, frame, string.Concat(Enumerable.Repeat(level.Replace("{{", "{", StringComparison.Ordinal), 20_000)) + core);
        Assert.Contains(TomlDocument.Parse(text).Problems, p => p.Message.Contains("levels deep", StringComparison.Ordinal));
    }

    [Fact]
    public void The_number_of_problems_is_bounded() =>
        Assert.Equal(TomlDocument.MaxProblems, TomlDocument.Parse(string.Concat(Enumerable.Repeat("?\n", 1000))).Problems.Count);

    [Fact]
    public void Mutated_documents_never_raise_and_what_is_read_survives_writing()
    {
        var random = new Random(20260821);
        byte[][] seeds = [.. TomlCases.Valid.Select(c => c.Toml), .. TomlCases.Invalid.Select(c => c.Toml)];
        ReadOnlySpan<byte> spice = "\"'[]{}=.,#\\\n\r\t 0129eExXoObB_+-:TZuU\0\u007Finfa\u00E9"u8;
        for (var round = 0; round < 30_000; round++)
        {
            var text = seeds[random.Next(seeds.Length)].ToList();
            for (var change = random.Next(1, 6); change > 0; change--)
            {
                var at = random.Next(text.Count + 1);
                switch (random.Next(4))
                {
                    case 0: text.Insert(at, spice[random.Next(spice.Length)]); break;
                    case 1 when at < text.Count: text[at] = (byte)random.Next(256); break;
                    case 2 when at < text.Count: text.RemoveRange(at, Math.Min(random.Next(1, 8), text.Count - at)); break;
                    default: text.InsertRange(at, seeds[random.Next(seeds.Length)].Take(40)); break;
                }
            }
            var document = TomlDocument.Parse(text.ToArray());
            foreach (var problem in document.Problems) Assert.NotEmpty(problem.Render("f"));
            if (document.Problems.Count > 0) continue;
            var again = TomlDocument.Parse(TomlWriter.Write(document.Root));
            Assert.Empty(again.Problems);
            AssertEqual(document.Root, again.Root);
        }
    }

    [Fact]
    public void Every_cut_of_every_case_is_read_without_raising()
    {
        foreach (var @case in TomlCases.Valid)
            for (var length = 0; length < @case.Toml.Length; length++) Assert.NotNull(TomlDocument.Parse(@case.Toml.AsSpan(0, length)).Root);
    }

    [Fact]
    public void Half_a_surrogate_pair_is_refused_in_text_and_replaced_when_written()
    {
        Assert.Single(TomlDocument.Parse("a = \"\uD83E\"").Problems);
        Assert.Equal("\"\uFFFD\"", TomlWriter.WriteValue(new TomlString("\uD83E")));
    }

    [Fact]
    public void A_leap_second_is_the_last_tick_before_it()
    {
        var document = TomlDocument.Parse("a = 2016-12-31T23:59:60Z");
        Assert.Empty(document.Problems);
        Assert.Equal(new TimeOnly(TimeSpan.TicksPerDay - 1), ((TomlDateTime)document.Root.Single().Value).Time);
    }

    private static void AssertEqual(TomlTable expected, TomlTable actual) => AssertEqual(TaggedJson.Of(expected), TaggedJson.Of(actual));

    private static void AssertEqual(JsonNode expected, JsonNode actual) =>
        Assert.True(JsonNode.DeepEquals(expected, actual), $"expected {expected}\nread     {actual}");
}
