using System.Globalization;
using Stint.Ingress.Coap;
using Stint.Ingress.Grpc;
using Stint.Ingress.Http;
using Stint.Invocations;
using Stint.Tests.Functions;

namespace Stint.Tests.Ingress;

/// <summary>docs/errors.md says what the code does.</summary>
public sealed class ErrorTableTests
{
    [Fact]
    public void The_table_names_every_outcome_with_its_status_and_code()
    {
        var rows = File.ReadLines(RepositoryFolder.File("docs", "errors.md"))
            .Where(static line => line.StartsWith("| `", StringComparison.Ordinal))
            .Select(static line => line.Split('|', StringSplitOptions.TrimEntries))
            .ToDictionary(static cells => cells[1].Trim('`'), static cells => (Http: cells[2], Coap: cells[3], Grpc: cells[4], Code: cells[5].Trim('`')));
        foreach (var outcome in Enum.GetValues<Outcome>())
        {
            Assert.True(rows.TryGetValue(outcome.ToString(), out var row), $"docs/errors.md has no row for {outcome}");
            Assert.Equal(outcome == Outcome.Answered ? "the function's" : HttpOutcome.Status(outcome).ToString(CultureInfo.InvariantCulture), row.Http);
            Assert.Equal(outcome == Outcome.Answered ? "the function's" : CoapOutcome.Code(outcome).ToString(), row.Coap);
            Assert.Equal(GrpcOutcome.Code(outcome).ToString(), row.Grpc.Replace("_", "", StringComparison.Ordinal), ignoreCase: true);
            Assert.Equal(HttpOutcome.Code(outcome), row.Code);
        }
        Assert.Equal(Enum.GetValues<Outcome>().Length, rows.Count);
    }
}
