"""Small child processes that behave, or misbehave, on demand."""

import sys

from tributary.supervisor import Child

SERVER = """
import http.server, signal, sys, threading, time
port, on_term = int(sys.argv[1]), sys.argv[2]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)

def stop(number, frame):
    print("asked to stop", flush=True)
    if on_term == "slow":
        time.sleep(0.5)
    if on_term != "deaf":
        print("stopping", flush=True)
        threading.Thread(target=server.shutdown).start()

signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
print("serving", flush=True)
server.serve_forever()
"""

CRASH = """
import sys
print("about to fail", flush=True)
sys.exit("the reason it failed")
"""


def server(name: str, port: int, on_term: str = "stop", stop_timeout_s: float = 10.0) -> Child:
    """Answer 200 on `port`; on SIGTERM `stop`, stop `slow`ly, or be `deaf`."""
    return Child(
        name,
        [sys.executable, "-c", SERVER, str(port), on_term],
        ready_url=f"http://127.0.0.1:{port}/",
        stop_timeout_s=stop_timeout_s,
    )


def crash(name: str, port: int) -> Child:
    """End with status 1 and a reason before ever answering."""
    return Child(name, [sys.executable, "-c", CRASH], ready_url=f"http://127.0.0.1:{port}/")
