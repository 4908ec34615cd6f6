using Stint.EndToEnd.Cluster;
using Stint.EndToEnd.Cluster.Machines;
using Stint.EndToEnd.Containers.Engine;
using Xunit.Abstractions;

[assembly: TestCollectionOrderer("Stint.EndToEnd.Fixtures.LongestFirst", "Stint.EndToEnd")]

namespace Stint.EndToEnd.Fixtures;

/// <summary>The collections whose tests run one after another for minutes begin before the others: one that began last would be waited for alone.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Long = [TestPostgres.Collection, TestEngine.Collection, MachineNetwork.Collection];

    /// <inheritdoc/>
    public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
        testCollections.OrderBy(static collection => Array.IndexOf(Long, collection.DisplayName) is >= 0 and var place ? place : Long.Length);
}
