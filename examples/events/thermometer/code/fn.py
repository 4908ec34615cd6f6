import json


def fn(input, headers):
    place = headers.get("X-Mqtt-Topic", "sensors/nowhere/temperature").split("/")[1]
    try:
        celsius = json.loads(input)["celsius"]
    except (ValueError, KeyError, TypeError):
        return json.dumps({"place": place, "problem": "not a reading: " + input})
    return json.dumps({"place": place, "celsius": celsius, "alarm": celsius > 30})
