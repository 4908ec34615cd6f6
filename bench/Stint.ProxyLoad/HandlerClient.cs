using System.Buffers;
using System.Net;
using Stint.Backends;
using Stint.Invocations;

namespace Stint.ProxyLoad;

/// <summary>
/// The same instance, spoken to through <see cref="SocketsHttpHandler"/>: what docs/decisions/0011-http-instances.md compares with. It does the least that a call needs, small bodies only.
/// </summary>
internal sealed class HandlerClient(IPEndPoint endPoint) : IInstance
{
    private readonly TaskCompletionSource<string> _ended = new();
    private readonly HttpMessageInvoker _client = new(new SocketsHttpHandler
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        ActivityHeadersPropagator = null,
    });

    public string Id => "handler";

    public Task<string> Ended => _ended.Task;

    public async ValueTask<Reply> InvokeAsync(Invocation invocation, CancellationToken cancellationToken)
    {
        var uri = new Uri($"http://{endPoint}{invocation.Path}?{invocation.Query}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        using var request = new HttpRequestMessage(new HttpMethod(invocation.Method), uri) { Content = new ReadOnlyMemoryContent(invocation.Body.IsSingleSegment ? invocation.Body.First : invocation.Body.ToArray()) };
        foreach (var (name, value) in invocation.Headers)
            if (!request.Headers.TryAddWithoutValidation(name, value) && !name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase)) request.Content.Headers.TryAddWithoutValidation(name, value);
        request.Headers.TryAddWithoutValidation("X-Forwarded-For", invocation.From?.ToString());
        request.Headers.TryAddWithoutValidation("X-Call-Id", invocation.CallId);
        using var response = await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
        var headers = new HeaderList();
        foreach (var (name, values) in response.Headers.NonValidated)
            foreach (var value in values) headers.Add(name, value);
        foreach (var (name, values) in response.Content.Headers.NonValidated)
            foreach (var value in values) headers.Add(name, value);
        var length = (int)response.Content.Headers.ContentLength!.Value;
        var rented = ArrayPool<byte>.Shared.Rent(Math.Max(1, length));
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await stream.ReadExactlyAsync(rented.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
        return Reply.Answer((int)response.StatusCode, headers, rented.AsMemory(0, length), rented);
    }

    public InstanceUsage ReadUsage() => default;

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }
}
