"""Keeps what a webhook sends: each body as a file named by its hash, so that a delivery that is repeated is kept once. STASH is the folder."""

import hashlib
import os
import pathlib
import sys

folder = pathlib.Path(os.environ.get("STASH", "stash"))
body = sys.stdin.buffer.read()
if os.environ.get("Http_Method") != "POST" or not body:
    sys.exit("POST a body to stash it")

name = hashlib.sha256(body).hexdigest()[:16]
folder.mkdir(parents=True, exist_ok=True)
known = (folder / name).exists()
# Written beside and moved: who reads the folder never sees half a file.
part = folder / f".{name}.{os.getpid()}"
part.write_bytes(body)
part.rename(folder / name)
print(f"{'known' if known else 'stashed'}: {name}, {len(body)} bytes, {os.environ.get('Http_X_Github_Event', 'no')} event")
