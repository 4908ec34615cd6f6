using Stint.EndToEnd.Fixtures;

namespace Stint.EndToEnd.Events;

/// <summary>Certificates of a small authority, made by openssl: ca.pem, server.pem (for localhost), client.pem, and other-ca.pem, which has signed none of them.</summary>
internal static class TestCertificates
{
    /// <summary>Makes them in a folder.</summary>
    public static async Task MakeAsync(string folder)
    {
        await OpenSslAsync("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test authority", "-keyout", "ca.key", "-out", "ca.pem");
        await OpenSslAsync("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=other authority", "-keyout", "other-ca.key", "-out", "other-ca.pem");
        await File.WriteAllTextAsync(Path.Combine(folder, "names"), "subjectAltName=DNS:localhost\n");
        await SignAsync("server", "/CN=localhost", "-extfile", "names");
        await SignAsync("client", "/CN=sensor");

        async Task SignAsync(string name, string subject, params string[] more)
        {
            await OpenSslAsync("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", $"{name}.key", "-out", $"{name}.csr");
            await OpenSslAsync(["x509", "-req", "-in", $"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", $"{name}.pem", .. more]);
        }

        async Task OpenSslAsync(params string[] arguments) => (await Programs.RunAsync(["openssl", .. arguments], folder)).Good();
    }
}
