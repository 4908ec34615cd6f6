"""The baseline of Python functions: the standard library's http.server that echoes. Started as `python3 echo.py PORT`."""
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keep-alive
    wbufsize = -1  # head and body in one write: two would meet Nagle's algorithm and delayed acknowledgements, 40 ms a request
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # the default of 5 refuses some of 64 clients that come at once


Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
