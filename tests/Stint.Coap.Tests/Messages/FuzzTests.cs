using Stint.Coap.Fuzz;

namespace Stint.Coap.Tests.Messages;

public sealed class FuzzTests
{
    /// <summary>The short run; ten million datagrams take <c>dotnet run -c Release --project fuzz/Stint.Coap.Fuzz</c>.</summary>
    [Fact]
    public async Task A_hundred_thousand_mutated_datagrams_cause_no_exception_and_stay_within_every_bound()
    {
        var report = await FuzzRun.RunAsync(100_000, seed: 7252);

        Assert.True(report.Answers > 10_000, $"only {report.Answers} answers: the datagrams are too broken to test anything");
        Assert.InRange(report.Exchanges, 1, FuzzRun.Options.MaxExchanges);
        Assert.InRange(report.KeptBytes, 1, FuzzRun.Options.MaxExchangeBytes);
        Assert.InRange(report.Outgoing, 0, FuzzRun.Options.MaxOutgoing);
        Assert.InRange(report.Uploads, 0, FuzzRun.Options.MaxTransfers);
        Assert.InRange(report.Downloads, 0, FuzzRun.Options.MaxTransfers);
        Assert.InRange(report.Observers, 0, FuzzRun.Options.MaxObservers);
    }
}
