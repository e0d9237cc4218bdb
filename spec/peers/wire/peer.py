# SPDX-License-Identifier: MIT
#
# peer.py - Python's ssl at one end of a wire (spec/support/wire.lua). As a server it answers in
# capitals; as a client it connects to each port that it reads, says hello, and ends when that is
# answered. It prints how each connection was: "told new HELLO", or the name of the exception.
#
#   python3 peer.py server VERSION CERT KEY CA
#   python3 peer.py client VERSION CERT KEY CA [resume]
import socket
import ssl
import sys

role, version, cert, key, ca = sys.argv[1:6]
resume = len(sys.argv) > 6
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if role == "server" else ssl.PROTOCOL_TLS_CLIENT)
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)


def tell(play):
    try:
        print("told", play(), flush=True)
    except OSError as err:
        print("told", type(err).__name__, flush=True)


def answer(plain):
    with context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as s:
        got = s.recv(65536)
        while chunk := got:
            s.sendall(chunk.upper())
            got = s.recv(65536)
        s.unwrap()
    return "whole"


def ask(port, session):
    plain = socket.create_connection(("127.0.0.1", port))
    with context.wrap_socket(plain, server_hostname="localhost", session=session,
                             suppress_ragged_eofs=False) as s:
        s.sendall(b"hello\n")
        got = b""
        while len(got) < 6 and (chunk := s.recv(65536)):
            got += chunk
        kept.append(s.session)
        reused = "resumed" if s.session_reused else "new"
        s.unwrap().close()
    return f"{reused} {got.decode().strip()}"


kept = []
if role == "server":
    context.load_cert_chain(cert, key)
    listener = socket.create_server(("127.0.0.1", 0))
    print("port", listener.getsockname()[1], flush=True)
    while True:
        connection = listener.accept()[0]
        tell(lambda: answer(connection))
else:
    context.load_verify_locations(ca)
    for line in sys.stdin:
        old = kept[0] if resume and kept else None
        tell(lambda: ask(int(line), old))
