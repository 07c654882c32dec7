"""A small HTTP/1.1 server that misbehaves on demand. Standard library only.

Prints its port as the first line, then one JSON line per request received. Ends when its standard input ends.
With a directory as argument it serves TLS with a self-signed certificate made there (certificate.pem).
"""
import asyncio
import base64
import json
import os
import ssl
import subprocess
import sys

connections = 0


def say(value):
    print(json.dumps(value), flush=True)


async def read_request(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    method, target, _ = first.split(" ", 2)
    headers = [line.split(":", 1) for line in lines]
    headers = [[name, value.strip()] for name, value in headers]
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    return method, target, headers, await reader.readexactly(length)


async def serve(reader, writer):
    global connections
    connections += 1
    number, served = connections, 0
    try:
        while True:
            method, target, headers, body = await read_request(reader)
            served += 1
            say({"method": method, "target": target, "connection": number})
            path = target.split("?")[0]
            answer = json.dumps({
                "method": method, "target": target, "headers": headers, "body": base64.b64encode(body).decode(), "connection": number,
            }).encode()
            extra = ""
            status = "200 OK"
            if path == "/never":
                await asyncio.Event().wait()
            elif path == "/reset":
                writer.transport.abort()
                return
            elif path == "/once" and served > 1:
                return
            elif path == "/huge":
                answer = b"x" * int(target.split("?")[1])
            elif path == "/endless-headers":
                writer.write(b"HTTP/1.1 200 OK\r\n")
                while True:
                    writer.write(b"X-More: " + b"y" * 1000 + b"\r\n")
                    await writer.drain()
            elif path == "/redirect":
                status, extra = "302 Found", "Location: /echo\r\n"
            elif path == "/interim":
                writer.write(b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n")
                extra = "Set-Cookie: a=1\r\nset-cookie: b=2\r\nX-Empty:\r\n"
            elif path == "/chunked":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n")
                continue
            elif path == "/nonsense":
                writer.write(b"SMTP ready\r\n\r\n")
                return
            elif path.startswith("/status/"):
                status = path.split("/")[2] + " As Asked"
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(answer)}\r\n{extra}\r\n".encode()
            writer.write(head if method == "HEAD" else head + answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def tls(directory):
    certificate, key = f"{directory}/certificate.pem", f"{directory}/key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def main():
    context = tls(sys.argv[1]) if len(sys.argv) > 1 else None
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, backlog=1024, limit=1 << 20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)  # connections and all


if __name__ == "__main__":
    asyncio.run(main())
