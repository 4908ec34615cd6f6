namespace Stint.Dialects.FunLess;

/// <summary>A request that is refused, as FunLess says it. <see cref="FunLessAnswer"/> writes it.</summary>
/// <param name="status">The status.</param>
/// <param name="message">For people: what, why, what to do.</param>
/// <param name="detail">FunLess's word; null = the status's phrase.</param>
internal sealed class FunLessRefusal(int status, string message, string? detail = null) : Exception(message)
{
    /// <summary>The status.</summary>
    public int Status { get; } = status;

    /// <summary>FunLess's word for it.</summary>
    public string Detail { get; } = detail ?? Phrase(status);

    /// <summary>The field that is wrong; null when it is not a field's fault.</summary>
    public string? Field { get; private init; }

    /// <summary>400.</summary>
    public static FunLessRefusal Bad(string message) => new(StatusCodes.Status400BadRequest, message);

    /// <summary>404.</summary>
    public static FunLessRefusal Missing(string message) => new(StatusCodes.Status404NotFound, message);

    /// <summary>422 for a field.</summary>
    public static FunLessRefusal Invalid(string field, string message) => new(StatusCodes.Status422UnprocessableEntity, message) { Field = field };

    /// <summary>The phrases of the contract, and for the others those of RFC 9110.</summary>
    public static string Phrase(int status) => status switch
    {
        StatusCodes.Status400BadRequest => "Bad Request",
        StatusCodes.Status401Unauthorized => "Unauthorized",
        StatusCodes.Status404NotFound => "Not Found",
        StatusCodes.Status409Conflict => "Conflict",
        StatusCodes.Status413PayloadTooLarge => "Request Entity Too Large",
        StatusCodes.Status422UnprocessableEntity => "Unprocessable Entity",
        StatusCodes.Status503ServiceUnavailable => "Service Unavailable",
        _ => "Internal Server Error",
    };
}
