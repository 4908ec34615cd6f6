using System.Text;
using System.Text.Json;
using Stint.Dialects.FunLess;
using Stint.Invocations;

namespace Stint.Tests.Dialects.FunLess;

public sealed class FunLessCallsTests
{
    [Theory]
    [InlineData("{\"a\":1}", "{\"a\":1}")]
    [InlineData(" [1, 2]\n", "[1,2]")]
    [InlineData("7", "7")]
    [InlineData("null", "null")]
    [InlineData("\"text\"", "\"text\"")]
    [InlineData("text", "\"text\"")]
    [InlineData("", "\"\"")]
    [InlineData("{\"a\":1} {", "\"{\\u0022a\\u0022:1} {\"")]
    [InlineData("{\"a\":1}}", "\"{\\u0022a\\u0022:1}}\"")]
    [InlineData("NaN", "\"NaN\"")]
    [InlineData("// comment\n1", "\"// comment\\n1\"")]
    [InlineData("{\"a\":1,}", "\"{\\u0022a\\u0022:1,}\"")]
    public void A_result_is_JSON_as_it_is_or_a_text(string result, string expected) => AssertData(Encoding.UTF8.GetBytes(result), expected);

    [Fact]
    public void Bytes_that_are_no_text_come_in_base64()
    {
        AssertData([0xff, 0xfe], "\"//4=\"");
        // A JSON text whose bytes are none would break the whole answer.
        AssertData([(byte)'"', 0xff, (byte)'"'], "\"Iv8i\"");
    }

    [Fact]
    public void What_is_nested_too_deeply_is_a_text()
    {
        var deep = new string('[', 100_000) + new string(']', 100_000);
        Assert.Equal(deep, JsonDocument.Parse(FunLessCalls.AsJson(Encoding.UTF8.GetBytes(deep))).RootElement.GetString());
    }

    [Theory]
    [InlineData("NotFound", false, 404, null)]
    [InlineData("BadRequest", false, 400, null)]
    [InlineData("Unauthorized", false, 401, null)]
    [InlineData("TooLarge", false, 413, null)]
    [InlineData("Shed", false, 503, "No worker available")]
    [InlineData("Unavailable", false, 503, "No worker available")]
    [InlineData("NotImplemented", false, 503, "No worker available")]
    [InlineData("FunctionFailed", true, 422, "Error: why")]
    [InlineData("FunctionFailed", false, 500, "Something went wrong: why")]
    [InlineData("TimedOut", true, 500, "Something went wrong: why")]
    [InlineData("Crashed", false, 500, "Something went wrong: why")]
    [InlineData("ContractBroken", false, 500, "Something went wrong: why")]
    public void Every_way_to_fail_has_FunLess_s_word(string outcome, bool isOwn, int status, string? detail) =>
        Assert.Equal((status, detail), FunLessCalls.Word(Enum.Parse<Outcome>(outcome), "why", isOwn));

    [Fact]
    public void No_outcome_is_without_a_word()
    {
        foreach (var outcome in Enum.GetValues<Outcome>()) Assert.InRange(FunLessCalls.Word(outcome, "why", isOwnError: false).Status, 400, 599);
    }

    private static void AssertData(byte[] result, string expected)
    {
        var data = JsonDocument.Parse(FunLessCalls.AsJson(result)).RootElement;
        Assert.True(JsonElement.DeepEquals(JsonDocument.Parse(expected).RootElement, data), data.GetRawText());
    }
}
