"""A proxy in front of Keycloak: a test acts between two requests of a run, sees them all, and may answer some itself."""

import http.client
import http.server
import threading
import urllib.parse


class Between:
    """before(path) is called for each request that passes, one at a time. What it returns is sent instead of the request:
    None, or (status, content type, bytes)."""

    def __init__(self, host):
        self.before = lambda path: None
        self.paths, self.tokens, lock = [], [], threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def ask(self, body):
                upstream = http.client.HTTPConnection(host, timeout=60)
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                out = answer.status, answer.headers.get("Content-Type", ""), answer.read()
                upstream.close()
                return out

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    outer.paths.append(self.path)
                    scheme, _, token = self.headers.get("Authorization", "").partition(" ")
                    if scheme == "Bearer" and token not in outer.tokens:
                        outer.tokens.append(token)
                    status, kind, data = outer.before(self.path) or self.ask(body)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = forward

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def forget(self):
        self.paths.clear()
        self.tokens.clear()

    def asked(self, ending):
        """How many requests had a path that ends so; the query is not looked at."""
        return sum(urllib.parse.urlsplit(path).path.endswith(ending) for path in self.paths)
