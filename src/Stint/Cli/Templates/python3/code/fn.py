import json
import os

# Code outside of fn runs once per instance: open what is expensive to open here.
GREETING = os.environ.get("GREETING", "Hello")


def fn(input, headers):
    """Answers one call.

    input is the body as text, or None when there was none; headers is a dict with keys like "User-Agent".
    Return text, bytes, None, or anything that json.dumps takes. An exception becomes a 500 with its message.
    """
    name = (input or "").strip() or "World"
    print(f"greeting {name}")  # goes to the log: stint logs -f {{name}}
    if "application/json" in headers.get("Accept", ""):
        return json.dumps({"greeting": f"{GREETING}, {name}!"})
    return f"{GREETING}, {name}!\n"
