"""A collector of traces: receives OTLP over HTTP and prints each span as a line of JSON."""

import gzip
import json
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


def plain(attributes):
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    shown = {
                        "path": self.path,
                        "authorization": self.headers.get("Authorization"),
                        "resource": plain(resource.resource.attributes),
                        "name": span.name,
                        "attributes": plain(span.attributes),
                        "events": [{"name": event.name} | plain(event.attributes) for event in span.events],
                        "nanoseconds": span.end_time_unix_nano - span.start_time_unix_nano,
                    }
                    print("span", json.dumps(shown), flush=True)
        response = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(response)))
        self.end_headers()
        self.wfile.write(response)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Collector)
print("collector on", server.server_port, flush=True)
server.serve_forever()
