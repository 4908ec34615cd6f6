namespace Stint.Dialects.OpenFaas;

/// <summary><c>/ui/</c>: the functions in a table, and a form that calls one. It has no more rights than its reader's browser, which asks for the credentials.</summary>
internal static class FaasPage
{
    private const string Html = """
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>Stint</title>
        <style>
        body { font: 16px/1.4 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
        table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #ddd } td.n { text-align: right }
        textarea { width: 100%; box-sizing: border-box; font: inherit } pre { background: #f4f4f4; padding: .6rem; white-space: pre-wrap; overflow-wrap: anywhere }
        @media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } th, td { border-color: #444 } pre { background: #282828 } }
        </style>
        <h1>Functions</h1>
        <p><label>Namespace <select id="space"></select></label></p>
        <table><thead><tr><th>Name<th>Image<th>Replicas<th>Calls</thead><tbody id="list"></tbody></table>
        <h2>Call</h2>
        <form id="call"><p><label>Function <select id="name"></select></label> <button>Invoke</button></p><p><label>Body<textarea id="body" rows="4"></textarea></label></p></form>
        <pre id="answer" aria-live="polite"></pre>
        <script>
        const at = id => document.getElementById(id);
        const option = text => { const o = document.createElement('option'); o.textContent = text; return o; };
        async function list() {
          const space = at('space').value, chosen = at('name').value;
          const functions = await (await fetch('/system/functions?namespace=' + encodeURIComponent(space))).json();
          at('list').replaceChildren(...functions.map(f => {
            const row = document.createElement('tr');
            for (const [text, kind] of [[f.name, ''], [f.image, ''], [f.availableReplicas + ' of ' + f.replicas, 'n'], [f.invocationCount, 'n']]) {
              const cell = document.createElement('td'); cell.textContent = text; cell.className = kind; row.append(cell);
            }
            return row;
          }));
          at('name').replaceChildren(...functions.map(f => option(f.name)));
          if (chosen) at('name').value = chosen;
        }
        at('call').addEventListener('submit', async event => {
          event.preventDefault();
          const answer = await fetch('/function/' + at('name').value + '.' + at('space').value, { method: 'POST', body: at('body').value, headers: { 'Content-Type': 'text/plain' } });
          at('answer').textContent = answer.status + ' ' + answer.statusText + '\n' + await answer.text();
          list();
        });
        at('space').addEventListener('change', list);
        (async () => { at('space').replaceChildren(...(await (await fetch('/system/namespaces')).json()).map(option)); await list(); setInterval(list, 5000); })();
        </script>
        </html>
        """;

    /// <summary>Writes the page.</summary>
    public static Task WriteAsync(HttpContext context)
    {
        context.Response.ContentType = "text/html; charset=utf-8";
        // Whatever a function's name or answer holds, it is text; and no other site may show this page as part of its own.
        context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'";
        return context.Response.WriteAsync(Html);
    }
}
