"""A small HTTP client that sends exactly what it is told and keeps its connection."""
import http.client
import json as jsonlib
import ssl
from urllib.parse import urlsplit


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return jsonlib.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def connect(parts, timeout):
    if parts.scheme == "https":  # to a relay of the test, whose certificate nobody signed
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout,
                                           context=ssl._create_unverified_context())
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)


def send(method, url, headers=None, body=b"", timeout=30):
    parts = urlsplit(url)
    connection = connect(parts, timeout)
    try:
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        connection.request(method, target, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


class Sender:
    """Posts to one listener over one kept connection; for load."""

    def __init__(self, base_url, timeout=30):
        parts = urlsplit(base_url)
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)

    def post(self, path, headers, body):
        self._connection.request("POST", path, body=body, headers=headers)
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def close(self):
        self._connection.close()
