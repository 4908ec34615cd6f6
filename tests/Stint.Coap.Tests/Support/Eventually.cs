using System.Runtime.CompilerServices;

namespace Stint.Coap.Tests.Support;

/// <summary>Waits for a condition instead of a while.</summary>
internal static class Eventually
{
    /// <summary>Looks again and again; fails with the condition's text after half a minute.</summary>
    public static async Task Holds(Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string text = "")
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(30), $"did not come true: {text}");
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System);
        }
    }
}
