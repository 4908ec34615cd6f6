using Stint.EndToEnd.Containers.Engine;

namespace Stint.EndToEnd.Containers;

/// <summary>Images of guests for tests, all of busybox: made at the engine once.</summary>
internal static class Guests
{
    /// <summary>A UniFaaS guest: its only argument is the URL to call when it serves on port 8080.</summary>
    public const string UniFaas = "guest-unifaas:1";

    /// <summary>
    /// A web server on port 8080 that knows nothing of callbacks. It has <c>/index.html</c>, <c>/cgi-bin/sh</c>, which runs the body as a script, <c>/cgi-bin/echo</c>, and <c>/cgi-bin/hang</c>,
    /// which says nothing for a long time.
    /// </summary>
    public const string Web = "guest-web:1";

    /// <summary>As <see cref="Web"/>, but its first process is the server itself and pays no heed to SIGINT.</summary>
    public const string Deaf = "guest-deaf:1";

    /// <summary>Runs, prints a line, and serves nothing.</summary>
    public const string Never = "guest-never:1";

    /// <summary>Prints a line and ends with 3.</summary>
    public const string Broken = "guest-broken:1";

    /// <summary>Answers WebSockets: says hello, then sends each message back in capitals.</summary>
    public const string WebSocket = "guest-websocket:1";

    /// <summary>As <see cref="Web"/>, with a volume at <c>/data</c>, in which there is a file.</summary>
    public const string Volume = "guest-volume:1";

    private const string Server = """
        #!/bin/sh
        echo "serving"
        trap 'echo "asked to stop"; exit 0' INT
        httpd -f -p 8080 -h /www &
        wait
        """;

    private const string UniFaasServer = """
        #!/bin/sh
        trap 'exit 0' INT
        httpd -p 8080 -h /www
        wget -q -O - "$1" >/tmp/said && echo "called $1, which said $(cat /tmp/said)"
        sleep 1000000 &
        wait
        """;

    private const string Script = """
        #!/bin/sh
        printf 'Content-Type: text/plain\r\n\r\n'
        exec sh 2>&1
        """;

    private const string Echo = """
        #!/bin/sh
        printf 'Content-Type: application/octet-stream\r\n\r\n'
        exec cat
        """;

    // RFC 6455: the handshake, one frame to the client, then each masked frame of fewer than 126 bytes back in capitals, a close frame (opcode 8) as it is.
    private const string WebSocketServer = """
        #!/bin/sh
        while read -r name value; do
            value=${value%?}
            case "$name" in
                [Ss]ec-[Ww]eb[Ss]ocket-[Kk]ey:) key=$value ;;
                "$(printf '\r')") break ;;
            esac
        done
        digest=$(printf %s "${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11" | sha1sum | cut -c 1-40 | sed 's/../\\x&/g')
        printf 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n' "$(printf "$digest" | base64)"
        printf '\201\005hello'
        bytes() { dd bs=1 count="$1" 2>/dev/null | od -An -v -tu1; }
        while head=$(bytes 2) && [ -n "$head" ]; do
            set -- $head
            first=$1 length=$(($2 - 128))
            set -- $(bytes 4)
            m0=$1 m1=$2 m2=$3 m3=$4 at=0 text=
            for byte in $(bytes $length); do
                eval "mask=\$m$((at % 4))"
                text="$text\\$(printf %03o $((byte ^ mask)))"
                at=$((at + 1))
            done
            printf "\\$(printf %03o $first)\\$(printf %03o $length)"
            if [ $first = 136 ]; then printf "$text"; exit; fi
            printf "$text" | tr a-z A-Z
        done
        """;

    /// <summary>Makes them all, unless they are there.</summary>
    public static async Task MakeAsync(TestEngine engine)
    {
        if ((await engine.Client.Images.ListAsync(null, default)).Any(static image => image.RepoTags.Contains(Volume))) return;
        (string, string)[] web = [("bin/serve", Server), ("www/index.html", "hello\n"), ("www/cgi-bin/sh", Script), ("www/cgi-bin/echo", Echo), ("www/cgi-bin/hang", "#!/bin/sh\nexec sleep 1000000\n")];
        await engine.Images.MakeAsync(UniFaas, ["""ENTRYPOINT ["/bin/guest"]"""], [("bin/guest", UniFaasServer), .. web]);
        await engine.Images.MakeAsync(Web, ["""CMD ["/bin/serve"]"""], web);
        await engine.Images.MakeAsync(Deaf, ["""ENTRYPOINT ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"]"""], web);
        await engine.Images.MakeAsync(Never, ["""ENTRYPOINT ["/bin/sh", "-c", "echo waiting for Godot; trap 'exit 0' INT; sleep 1000000 & wait"]"""]);
        await engine.Images.MakeAsync(Broken, ["""ENTRYPOINT ["/bin/sh", "-c", "echo first; echo cannot find my lines >&2; exit 3"]"""]);
        await engine.Images.MakeAsync(WebSocket, ["""CMD ["/bin/sh", "-c", "trap 'exit 0' INT; nc -ll -p 8080 -e /bin/talk & wait"]"""], ("bin/talk", WebSocketServer));
        await engine.Images.MakeAsync(Volume, ["""CMD ["/bin/serve"]""", "VOLUME /data"], [.. web, ("data/file", "of the image\n")]);
    }
}
