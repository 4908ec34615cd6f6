// The baseline of Node.js functions: a bare http server that echoes. Started as `node echo.js PORT`.
require('http').createServer((req, res) => {
  const pieces = [];
  req.on('data', (piece) => pieces.push(piece));
  req.on('end', () => {
    const body = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
    res.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': body.length });
    res.end(body);
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
