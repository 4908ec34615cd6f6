using Npgsql;
using NpgsqlTypes;

namespace Stint.Cluster.Store;

/// <summary>Commands with typed, positional parameters: nothing is boxed or reflected upon, and no value is ever part of a statement's text.</summary>
internal static class Sql
{
    /// <summary>A command on this connection, in its transaction if one is open.</summary>
    public static NpgsqlCommand Command(this NpgsqlConnection connection, string sql, params ReadOnlySpan<NpgsqlParameter> values)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values) command.Parameters.Add(value);
        return command;
    }

    /// <summary>Carries out a statement; the number of rows.</summary>
    public static async Task<int> ExecuteAsync(this NpgsqlConnection connection, string sql, NpgsqlParameter[] values, CancellationToken cancellationToken)
    {
        await using var command = connection.Command(sql, values);
        return await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The first column of the first row; null when there is no row, or when it is null.</summary>
    public static async Task<T?> ValueAsync<T>(this NpgsqlConnection connection, string sql, NpgsqlParameter[] values, CancellationToken cancellationToken)
    {
        await using var command = connection.Command(sql, values);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        if (!await reader.ReadAsync(cancellationToken).ConfigureAwait(false) || await reader.IsDBNullAsync(0, cancellationToken).ConfigureAwait(false)) return default;
        return await reader.GetFieldValueAsync<T>(0, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>All rows.</summary>
    public static async Task<List<T>> RowsAsync<T>(this NpgsqlConnection connection, string sql, NpgsqlParameter[] values, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken)
    {
        await using var command = connection.Command(sql, values);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        var rows = new List<T>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false)) rows.Add(read(reader));
        return rows;
    }

    /// <summary>A text, or null.</summary>
    public static NpgsqlParameter Text(string? value) => new NpgsqlParameter<string?> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Text };

    /// <summary>A whole number of 64 bits.</summary>
    public static NpgsqlParameter Number(long value) => new NpgsqlParameter<long> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Bigint };

    /// <summary>A whole number of 32 bits.</summary>
    public static NpgsqlParameter Small(int value) => new NpgsqlParameter<int> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Integer };

    /// <summary>Yes or no.</summary>
    public static NpgsqlParameter Flag(bool value) => new NpgsqlParameter<bool> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Boolean };

    /// <summary>An array of texts.</summary>
    public static NpgsqlParameter Texts(string[] values) => new NpgsqlParameter<string[]> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };

    /// <summary>An array of yes and no.</summary>
    public static NpgsqlParameter Flags(bool[] values) => new NpgsqlParameter<bool[]> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Boolean };

    /// <summary>Bytes, or null.</summary>
    public static NpgsqlParameter Bytes(byte[]? value) => new NpgsqlParameter<byte[]?> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Bytea };

    /// <summary>Bytes of a buffer.</summary>
    public static NpgsqlParameter Bytes(ReadOnlyMemory<byte> value) => new NpgsqlParameter<ReadOnlyMemory<byte>> { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Bytea };

    /// <summary>Texts, for <c>unnest</c>.</summary>
    public static NpgsqlParameter Texts(IEnumerable<string?> values) => new NpgsqlParameter<string?[]> { TypedValue = [.. values], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };

    /// <summary>Whole numbers of 64 bits, for <c>unnest</c> and <c>any</c>.</summary>
    public static NpgsqlParameter Numbers(IEnumerable<long> values) => new NpgsqlParameter<long[]> { TypedValue = [.. values], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint };

    /// <summary>Whole numbers of 32 bits, or nulls, for <c>unnest</c>.</summary>
    public static NpgsqlParameter Smalls(IEnumerable<int?> values) => new NpgsqlParameter<int?[]> { TypedValue = [.. values], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer };

    /// <summary>Yes or no, for <c>unnest</c>.</summary>
    public static NpgsqlParameter Flags(IEnumerable<bool> values) => new NpgsqlParameter<bool[]> { TypedValue = [.. values], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Boolean };

    /// <summary>Bytes, or nulls, for <c>unnest</c>.</summary>
    public static NpgsqlParameter Blobs(IEnumerable<byte[]?> values) => new NpgsqlParameter<byte[]?[]> { TypedValue = [.. values], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea };

    /// <summary>Seconds, for <c>unnest</c>.</summary>
    public static NpgsqlParameter Doubles(IEnumerable<double> values) => new NpgsqlParameter<double[]> { TypedValue = [.. values], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Double };

    /// <summary>Seconds, as a number that SQL multiplies with an interval.</summary>
    public static NpgsqlParameter Seconds(TimeSpan value) => new NpgsqlParameter<double> { TypedValue = value.TotalSeconds, NpgsqlDbType = NpgsqlDbType.Double };
}
