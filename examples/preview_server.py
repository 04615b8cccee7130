"""Show documents as the faxes that they become: ``preview_server.py 8080``, then open http://127.0.0.1:8080/."""

import asyncio
import sys
import tempfile
from wsgiref.simple_server import make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from t38fsp import FaxError, prepare

FORM = b"""<!doctype html><title>Fax preview</title><input type="file" onchange="fetch('/', {method: 'POST',
body: this.files[0]}).then(answer => answer.blob()).then(blob => location = URL.createObjectURL(blob))">"""


async def pages(document: bytes) -> bytes:
    with tempfile.NamedTemporaryFile() as file, tempfile.TemporaryFile() as pdf:
        file.write(document)
        file.flush()
        async with await prepare(file.name) as prepared:
            await prepared.write_pdf(pdf)
        pdf.seek(0)
        return pdf.read()


def preview(request: WSGIEnvironment, start: StartResponse) -> list[bytes]:
    status, kind, content = "200 OK", "text/html", FORM
    if request["REQUEST_METHOD"] == "POST":
        document = request["wsgi.input"].read(min(int(request["CONTENT_LENGTH"]), 50_000_000))
        try:
            kind, content = "application/pdf", asyncio.run(pages(document))
        except FaxError as error:
            status, kind, content = "422 No fax", "text/plain; charset=utf-8", str(error).encode()
    start(status, [("Content-Type", kind)])
    return [content]


if __name__ == "__main__":
    port = sys.argv[1] if len(sys.argv) == 2 else sys.exit("usage: preview_server.py PORT")
    if not port.isdecimal():
        sys.exit(f"preview_server.py: {port!r} is not a port; give 0 to 65535, 0 for any")
    with make_server("127.0.0.1", int(port), preview) as server:
        print(f"listening on 127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
