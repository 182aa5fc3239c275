"""A self-signed certificate, made with the openssl program."""
import hashlib
import ssl
import subprocess
from pathlib import Path


class Certificate:
    def __init__(self, directory, name="localhost"):
        self.certificate = Path(directory) / f"{name}.crt"
        self.key = Path(directory) / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1",
                        "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)

    def server(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def pin(self):
        """SHA-256 of its public key, as the allow-list writes it."""
        done = subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-outform", "DER"], check=True, capture_output=True)
        return hashlib.sha256(done.stdout).hexdigest()
