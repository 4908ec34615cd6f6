using Microsoft.AspNetCore.Connections;

namespace Stint.Dialects.FunLess;

/// <summary>Marks connections to FunLess's own port, at which there is nothing but FunLess's API.</summary>
internal sealed class FunLessPort
{
    private static readonly FunLessPort Mark = new();

    /// <summary>The connection middleware of that port.</summary>
    public static Task MarkAsync(ConnectionDelegate next, ConnectionContext connection)
    {
        connection.Features.Set(Mark);
        return next(connection);
    }

    /// <summary>Whether a request has come to that port and asks for something else.</summary>
    public static bool Refuses(HttpContext context) => context.Features.Get<FunLessPort>() is not null && !context.Request.Path.StartsWithSegments(FunLessRoutes.Root, StringComparison.Ordinal);

    /// <summary>Says so.</summary>
    public static Task RefuseAsync(HttpContext context) => FunLessAnswer.WriteAsync(context, FunLessRefusal.Missing($"this port has FunLess's API alone, under {FunLessRoutes.Root}"));
}
