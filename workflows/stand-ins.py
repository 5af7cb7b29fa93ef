#!/usr/bin/env python3
"""Third parties for the examples, on 127.0.0.1:7800, so that each can be run without any other service.

Nothing is kept when it ends. A charge or a job that comes again with the same Idempotency-Key is the same one.
"""

import itertools
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

numbers = itertools.count(1)
by_key = {}  # Idempotency-Key -> the answer that was given
asked = {}  # what was asked for -> how often


def times(what):
    asked[what] = asked.get(what, 0) + 1
    return asked[what]


# fan-out-race: two mirrors, of which the south is faster; three carriers, of which the road is closed.
def surcharge(request, mirror):
    time.sleep(0.8 if mirror == "north" else 0.1)
    return 200, {"percent": 10}


def quote(request, carrier):
    if carrier == "road":
        return 503, {"message": "closed for repair"}
    return 200, {"cents": request["grams"] * (2 if carrier == "rail" else 7) // 3}


# nightly-import: page 2 works at the second try only, page 3 does not exist.
def page(request, number):
    if number == "3":
        return 404, {"message": "no such page"}
    if number == "2" and times("page 2") == 1:
        return 503, {"message": "try again"}
    return 200, {"products": [{"sku": f"p{number}-{index}"} for index in range(3)]}


def products(request):
    return 200, {"stored": len(request)}


# polling: a job is done when it was asked about three times.
def submit(request):
    return 201, {"id": f"job-{next(numbers)}"}


def job(request, name):
    if times(name) < 3:
        return 200, {"state": "running"}
    return 200, {"state": "done", "result": f"http://127.0.0.1:7800/videos/{name}.webm"}


# order-saga: the card tok_declined is declined; tok_busy is accepted at the third try.
def charge(request):
    if request["card"] == "tok_declined":
        return 402, {"message": "the card was declined"}
    if request["card"] == "tok_busy" and times(request["order"]) < 3:
        return 503, {"message": "try again"}
    return 201, {"payment": f"pay-{next(numbers)}"}


def refund(request):
    return 200, {"refund": f"ref-{next(numbers)}"}


ROUTES = {
    ("GET", "north", "surcharge"): lambda request: surcharge(request, "north"),
    ("GET", "south", "surcharge"): lambda request: surcharge(request, "south"),
    ("POST", "road", "quotes"): lambda request: quote(request, "road"),
    ("POST", "rail", "quotes"): lambda request: quote(request, "rail"),
    ("POST", "air", "quotes"): lambda request: quote(request, "air"),
    ("GET", "catalogue", "pages", None): page,
    ("PUT", "shop", "products"): products,
    ("POST", "video", "jobs"): submit,
    ("GET", "video", "jobs", None): job,
    ("DELETE", "video", "jobs", None): lambda request, name: (204, None),
    ("POST", "payments", "charges"): charge,
    ("POST", "payments", "refunds"): refund,
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        key = self.headers.get("Idempotency-Key")
        path = self.path.strip("/").split("/")
        action = ROUTES.get((self.command, *path))
        variable = ROUTES.get((self.command, *path[:-1], None))
        if key in by_key:
            status, content = by_key[key]
        elif action:
            status, content = action(body)
        elif variable:
            status, content = variable(body, path[-1])
        else:
            status, content = 404, {"message": f"nothing at {self.path}"}
        if key and status < 300:
            by_key[key] = status, content
        text = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = answer


if __name__ == "__main__":
    print("listening on http://127.0.0.1:7800, until Ctrl-C", flush=True)
    try:
        ThreadingHTTPServer(("127.0.0.1", 7800), Handler).serve_forever()
    except KeyboardInterrupt:
        pass
