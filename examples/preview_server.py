"""Show documents as the faxes that they become: ``preview_server.py 8080``, then open http://127.0.0.1:8080/."""

import asyncio
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from t38fsp import FaxError, prepare

FORM = b"""<!doctype html><title>Fax preview</title><input type="file" onchange="fetch('/', {method: 'POST',
body: this.files[0]}).then(answer => answer.blob()).then(blob => location = URL.createObjectURL(blob))">"""
MOST_OCTETS = 50_000_000


async def pages(document: bytes) -> bytes:
    with tempfile.NamedTemporaryFile() as file, tempfile.TemporaryFile() as pdf:
        file.write(document)
        file.flush()
        async with await prepare(file.name) as prepared:
            await prepared.write_pdf(pdf)
        pdf.seek(0)
        return pdf.read()


class Preview(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer(200, "text/html", FORM)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_OCTETS:
            self.close_connection = True
            self.answer(413, "text/plain", b"send a document of at most %d octets" % MOST_OCTETS)
            return
        document = self.rfile.read(int(length))
        try:
            self.answer(200, "application/pdf", asyncio.run(pages(document)))
        except FaxError as error:
            self.answer(422, "text/plain; charset=utf-8", str(error).encode())

    def answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: preview_server.py PORT")
    if not (sys.argv[1].isdecimal() and int(sys.argv[1]) < 65536):
        sys.exit(f"preview_server.py: {sys.argv[1]!r} is not a port; give 0 to 65535, 0 for any")
    try:
        with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Preview) as server:
            print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
            server.serve_forever()
    except OSError as error:
        sys.exit(f"preview_server.py: port {sys.argv[1]} cannot be used: {error.strerror}; give another")
    except KeyboardInterrupt:
        sys.exit("preview_server.py: stopped")
