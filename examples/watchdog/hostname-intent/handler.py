"""An Alexa skill's intent: says on which machine it runs. The gateway routes a request here by its intent's name."""

import json
import socket
import sys

request = json.load(sys.stdin)["request"]
if request["type"] == "IntentRequest" and request["intent"]["name"] != "HostnameIntent":
    sys.exit(f"this function answers HostnameIntent, not {request['intent']['name']}")
print(json.dumps({
    "version": "1.0",
    "response": {"outputSpeech": {"type": "PlainText", "text": f"I am running on {socket.gethostname()}."}, "shouldEndSession": True},
}))
