// The baseline of the daemon: a bare Kestrel that echoes. Started as `dotnet kestrel-echo.dll PORT`.
using System.Globalization;
using System.Net;

var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, int.Parse(args[0], CultureInfo.InvariantCulture)));
await using var app = builder.Build();
app.Run(static async context =>
{
    context.Response.ContentType = "text/plain";
    context.Response.ContentLength = context.Request.ContentLength;
    await context.Request.BodyReader.CopyToAsync(context.Response.BodyWriter).ConfigureAwait(false);
});
await app.RunAsync().ConfigureAwait(false);
