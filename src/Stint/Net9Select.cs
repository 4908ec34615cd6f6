#if !NET10_0_OR_GREATER
namespace Stint;

/// <summary>
/// <c>Select</c> for the native build on .NET 9, in place of System.Linq's for all code in <c>Stint</c>, whose namespace the compiler searches first. There the iterators have a generic virtual method for
/// a Select on a Select, which NativeAOT compiles for every pair of value types that anything is selected from and to: half of the program's code, none of which ever runs. On .NET 10 the
/// native compiler takes a smaller LINQ by itself (UseSizeOptimizedLinq). docs/benchmarks.md has the sizes; this file goes when .NET 9 does.
/// </summary>
internal static class Net9Select
{
    /// <inheritdoc cref="Enumerable.Select{TSource, TResult}(IEnumerable{TSource}, Func{TSource, TResult})"/>
    public static IEnumerable<TResult> Select<TSource, TResult>(this IEnumerable<TSource> source, Func<TSource, TResult> selector)
    {
        foreach (var item in source) yield return selector(item);
    }
}
#endif
