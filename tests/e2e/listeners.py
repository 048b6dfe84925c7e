# SPDX-License-Identifier: Apache-2.0
"""Who is told: a chat that keeps what it is sent, and a scriptable forge with the APIs of GitHub, Gitea and GitLab."""
import http.server
import json
import re
import threading
import urllib.parse


class Listener:
    """Keeps requests as (method, path, headers, JSON). `answers` is a list of (status, headers) for the next ones."""

    def __init__(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with outer.lock:
                    outer.requests.append((self.command, self.path, dict(self.headers), json.loads(body or b"null")))
                    status, headers = outer.answers.pop(0) if outer.answers else (0, {})
                    reply = {} if status else None
                    if not status:
                        status, reply = outer.answer(self.command, self.path, self.headers, json.loads(body or b"null"))
                data = json.dumps(reply).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_PUT = serve

            def log_message(self, *_):
                pass

        self.lock, self.requests, self.answers = threading.Lock(), [], []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path, headers, body):
        return 200, {}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Forge(Listener):
    """One repository, team/churn. `statuses`: (sha, state, name, description); `comments`: {id: text} of number 7."""

    ROUTES = {
        "github": (r"/repos/team/churn", "issues/7/comments", r"issues/comments/(\d+)", "PATCH", "context",
                   ("Authorization", "Bearer TOKEN")),
        "gitea": (r"/api/v1/repos/team/churn", "issues/7/comments", r"issues/comments/(\d+)", "PATCH", "context",
                  ("Authorization", "token TOKEN")),
        "gitlab": (r"/api/v4/projects/team%2Fchurn", "merge_requests/7/notes", r"merge_requests/7/notes/(\d+)", "PUT",
                   "name", ("PRIVATE-TOKEN", "TOKEN")),
    }

    def __init__(self, kind):
        self.kind, self.statuses, self.comments = kind, [], {}
        super().__init__()

    def answer(self, method, path, headers, body):
        top, comments, comment, edit, name, (header, token) = self.ROUTES[self.kind]
        path, _, query = path.partition("?")
        if headers.get(header) != token:
            return 401, {"message": "Bad credentials"}
        if not path.startswith(top + "/"):
            return 404, {"message": "Not Found"}
        path = path[len(top) + 1:]
        if status := re.fullmatch(r"statuses/([0-9a-f]{40})", path):
            self.statuses.append((status[1], body["state"], body[name], body["description"]))
            return 201, {}
        if path == comments and method == "GET":
            page = int(urllib.parse.parse_qs(query).get("page", ["1"])[0])
            return 200, [{"id": i, "body": text} for i, text in sorted(self.comments.items())][(page - 1) * 100:page * 100]
        if path == comments and method == "POST":
            number = max(self.comments, default=0) + 1
            self.comments[number] = body["body"]
            return 201, {"id": number}
        if (found := re.fullmatch(comment, path)) and method == edit and int(found[1]) in self.comments:
            self.comments[int(found[1])] = body["body"]
            return 200, {"id": int(found[1])}
        return 404, {"message": "Not Found"}
