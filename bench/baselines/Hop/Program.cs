// The baseline of a call that goes to another machine: one bare hop over HTTP/2 with mutual TLS, between two bare Kestrels that echo.
//
//   dotnet hop.dll back PORT FOLDER            echoes, over HTTP/2 with mutual TLS; makes a certificate in the folder, which both sides show and accept
//   dotnet hop.dll front PORT FOLDER BACK      HTTP/1.1, each request sent on to the other one
//
// The cryptography is that of Stint's cluster: TLS 1.3, ECDSA on P-256.
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

// As src/Stint/Program.cs.
Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT", Math.Max(1, Environment.ProcessorCount / 4).ToString(CultureInfo.InvariantCulture));

var port = int.Parse(args[1], CultureInfo.InvariantCulture);
using var certificate = args[0] == "back" ? Make(args[2]) : X509Certificate2.CreateFromPemFile(Path.Combine(args[2], "certificate"), Path.Combine(args[2], "key"));
var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.UseKestrelHttpsConfiguration();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen =>
{
    if (args[0] == "front") return;
    listen.Protocols = HttpProtocols.Http2;
    listen.UseHttps(new HttpsConnectionAdapterOptions
    {
        ServerCertificate = certificate, SslProtocols = SslProtocols.Tls13, ClientCertificateMode = ClientCertificateMode.RequireCertificate,
        ClientCertificateValidation = (shown, _, _) => shown.RawData.AsSpan().SequenceEqual(certificate.RawData),
    });
}));
await using var app = builder.Build();
if (args[0] == "back") app.Run(static async context =>
{
    context.Response.ContentType = "text/plain";
    context.Response.ContentLength = context.Request.ContentLength;
    await context.Request.BodyReader.CopyToAsync(context.Response.BodyWriter).ConfigureAwait(false);
});
else
{
    var target = new Uri($"https://localhost:{args[3]}/");
    var client = new HttpMessageInvoker(new SocketsHttpHandler
    {
        UseProxy = false, UseCookies = false, ActivityHeadersPropagator = null,
        SslOptions = new SslClientAuthenticationOptions
        {
            ClientCertificates = [certificate], EnabledSslProtocols = SslProtocols.Tls13, RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null && shown.GetRawCertData().AsSpan().SequenceEqual(certificate.RawData),
        },
    });
    app.Run(async context =>
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, target) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact, Content = new StreamContent(context.Request.Body) };
        request.Content.Headers.ContentLength = context.Request.ContentLength;
        using var answer = await client.SendAsync(request, context.RequestAborted).ConfigureAwait(false);
        context.Response.StatusCode = (int)answer.StatusCode;
        context.Response.ContentType = "text/plain";
        context.Response.ContentLength = answer.Content.Headers.ContentLength;
        await answer.Content.CopyToAsync(context.Response.Body).ConfigureAwait(false);
    });
}
await app.RunAsync().ConfigureAwait(false);

static X509Certificate2 Make(string folder)
{
    using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    using var made = new CertificateRequest("CN=hop", key, HashAlgorithmName.SHA256).CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
    File.WriteAllText(Path.Combine(folder, "key"), key.ExportPkcs8PrivateKeyPem());
    // Last: who sees it finds the key too.
    File.WriteAllText(Path.Combine(folder, "certificate"), made.ExportCertificatePem());
    return X509Certificate2.CreateFromPem(made.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
}
