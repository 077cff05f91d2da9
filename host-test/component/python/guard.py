"""A service fails three times; the fourth call does not reach it.

Usage: python guard.py COMPONENT
"""

import json
import sys
import threading
import time

from wasmtime import Engine, Store
from wasmtime.component import Component, Linker, Record, Variant

STORE = "edge-breaker:guard/store@0.1.0"
BREAKER = "edge-breaker:guard/breaker@0.1.0"

CONFIG = {"services": [{"name": "payment-service", "fallback": {"cluster": "payment-fallback"}}]}


def record(fields):
    """A record of `wit/`, whose fields have their names from there, with dashes."""
    made = Record()
    vars(made).update(fields)
    return made


class Shared:
    """What all instances of one host share: here it lasts as long as the process."""

    def __init__(self):
        self.entries = {}
        self.versions = 0
        self.lock = threading.Lock()

    def load(self, _, key):
        return Variant("ok", self.entries.get(key))

    def swap(self, _, key, value, expected):
        with self.lock:
            entry = self.entries.get(key)
            if (entry and entry.version) != expected:
                return Variant("err", None)  # `conflict`, a case without a value
            self.versions += 1
            self.entries[key] = record({"value": value, "version": self.versions})
        return Variant("ok")

    def now(self, _):
        return record({"monotonic": time.monotonic_ns(), "wall": time.time_ns()})


class Guard:
    """One instance: `guard.call("response-body", ...)`."""

    def __init__(self, engine, component, shared):
        linker = Linker(engine)
        with linker.root() as root, root.add_instance(STORE) as store:
            for name in ["load", "swap", "now"]:
                store.add_func(name, getattr(shared, name))
        self.store = Store(engine)
        self.instance = linker.instantiate(self.store, component)
        self.breaker = self.instance.get_export_index(self.store, BREAKER)

    def call(self, name, *arguments):
        index = self.instance.get_export_index(self.store, name, self.breaker)
        function = self.instance.get_func(self.store, index)
        result = function(self.store, *arguments)
        function.post_return(self.store)
        return result


engine = Engine()
guard = Guard(engine, Component.from_file(engine, sys.argv[1]), Shared())
configured = guard.call("configure", json.dumps(CONFIG))
if configured.tag == "err":
    sys.exit(configured.payload.message)

headers = {":method": "GET", ":authority": "pay", ":path": "/"}
request = record({
    "fields": [record({"name": name, "value": value.encode()}) for name, value in headers.items()],
    "cluster": None,
    "route": None,
    "end-of-stream": True,
})
# What the service answers, each time.
answer = record({
    "status": 503,
    "fields": [],
    "origin": "service",
    "cluster": None,
    "end-of-stream": True,
})

for _ in range(4):
    admission = guard.call("request", request)
    verdict = admission.verdict
    if verdict.tag == "pass":
        print("to the service")
    elif verdict.tag == "divert":
        print("to", verdict.payload.cluster)
    else:
        print("nowhere: answered with", verdict.payload.status)
    if admission.call is not None:
        guard.call("response", admission.call, answer)
        guard.call("finished", admission.call, record({"origin": "service", "trailers": []}))
