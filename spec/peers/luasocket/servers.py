# SPDX-License-Identifier: MIT
#
# Servers that LuaSocket's modules speak to: Python's for HTTP and SMTP, pyftpdlib for FTP.
#
#   python3 servers.py http|smtp|ftp FOLDER
#
# The first line that it prints is the port.

import os
import sys
import warnings

warnings.simplefilter("ignore")
what, folder = sys.argv[1:]


def say(line):
    print(line, flush=True)


def http():
    import hashlib
    import http.server

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self, status, body, *headers):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if self.path.startswith("/to/"):
                self.answer(302, b"moved", ("Location", self.path[3:]))
            elif self.path.startswith("/chunked/"):
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for size in (1, 10, 100000, 3):
                    self.wfile.write(b"%x\r\n%s\r\n" % (size, b"c" * size))
                self.wfile.write(b"0\r\n\r\n")
            elif self.path == "/auth":
                self.answer(200, self.headers.get("Authorization", "none").encode())
            elif self.path == "/cut":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"half")
                self.close_connection = True
            else:
                super().do_GET()

        def chunks(self):
            while True:
                size = int(self.rfile.readline(), 16)
                yield self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return

        def do_POST(self):
            digest, count = hashlib.md5(), 0
            if self.headers.get("Transfer-Encoding") == "chunked":
                parts = self.chunks()
            else:
                left = int(self.headers["Content-Length"])
                sizes = [65536] * (left // 65536) + [left % 65536]
                parts = (self.rfile.read(size) for size in sizes)
            for part in parts:
                digest.update(part)
                count += len(part)
            self.answer(200, f"{count} {digest.hexdigest()}".encode())

    os.chdir(folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler, False)
    server.request_queue_size = 128  # 5 would be too few for twenty at once
    server.server_bind()
    server.server_activate()
    say(server.server_address[1])
    server.serve_forever()


def smtp():
    import asyncore
    import smtpd

    class Sink(smtpd.SMTPServer):
        def process_message(self, peer, mailfrom, rcpttos, data, **_):
            say(f"{mailfrom} {','.join(rcpttos)} {len(data)} {data.splitlines()[-1].decode()}")

    sink = Sink(("127.0.0.1", 0), None)
    sink.listen(128)
    say(sink.socket.getsockname()[1])
    asyncore.loop()


def ftp():
    from pyftpdlib.authorizers import DummyAuthorizer
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import FTPServer
    import logging

    logging.disable()
    authorizer = DummyAuthorizer()
    authorizer.add_user("me", "secret", folder, perm="elradfmw")
    FTPHandler.authorizer = authorizer
    server = FTPServer(("127.0.0.1", 0), FTPHandler)
    say(server.socket.getsockname()[1])
    server.serve_forever()


{"http": http, "smtp": smtp, "ftp": ftp}[what]()
