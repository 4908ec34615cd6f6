namespace Stint.Tests.Architecture;

/// <summary>What tests must be, so that they leave nothing behind.</summary>
public sealed class TestClassTests
{
    [Fact]
    public void Test_classes_are_disposed_of()
    {
        // xunit 2 calls DisposeAsync only of IAsyncLifetime; of IAsyncDisposable it knows nothing.
        var forgotten = typeof(TestClassTests).Assembly.GetTypes().Where(static type => typeof(IAsyncDisposable).IsAssignableFrom(type) && !typeof(IAsyncLifetime).IsAssignableFrom(type) && !typeof(IDisposable).IsAssignableFrom(type)
            && type.GetMethods().Any(static method => method.IsDefined(typeof(FactAttribute), inherit: true)));
        Assert.Empty(forgotten);
    }
}
