using System.Text.RegularExpressions;
using Stint.Ingress.Grpc;
using Stint.Ingress.Grpc.Wire;
using Stint.Invocations;
using Stint.Tests.Functions;

namespace Stint.Tests.Ingress.Grpc;

public sealed partial class GrpcOutcomeTests
{
    [Fact]
    public void Every_outcome_has_the_code_of_the_page()
    {
        var page = File.ReadAllText(RepositoryFolder.File("docs", "protocols", "grpc.md"));
        var documented = Row().Matches(page).ToDictionary(static row => Word(row.Groups[1].Value), static row => Word(row.Groups[2].Value));
        Assert.Equal(Enum.GetNames<Outcome>().Order(StringComparer.Ordinal), documented.Keys.Order(StringComparer.OrdinalIgnoreCase), StringComparer.OrdinalIgnoreCase);
        foreach (var outcome in Enum.GetValues<Outcome>()) Assert.Equal(GrpcOutcome.Code(outcome).ToString(), documented[outcome.ToString().ToUpperInvariant()], ignoreCase: true);
    }

    [Fact]
    public void Text_and_pause_of_a_refusal_reach_the_status()
    {
        using var reply = Reply.Failure(Outcome.Shed, "later", TimeSpan.FromSeconds(2));
        Assert.Equal(new GrpcStatus(GrpcStatusCode.ResourceExhausted, "later", TimeSpan.FromSeconds(2)), GrpcOutcome.Status(reply));
    }

    private static string Word(string text) => text.Replace("-", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal).ToUpperInvariant();

    [GeneratedRegex("^\\| `([a-z-]+)` \\| ([A-Z_]+) \\|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
