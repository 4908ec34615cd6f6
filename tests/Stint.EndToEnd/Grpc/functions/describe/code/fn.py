import json
import stint


def fn(input, headers, request):
    seen = {"method": request.method, "path": request.path, "query": request.query, "call_id": request.call_id, "time_left": request.time_left, "headers": headers, "body": input}
    return stint.Response(json.dumps(seen), status=int(headers.get("Want-Status", "200")), headers=[
        ("Made-By", "describe"), ("Twice", "a"), ("Twice", "b"), ("Umlaut", "ü"), ("Trace-Bin", "AQID"), ("Broken-Bin", "?"), ("Connection", "close"), ("Grpc-Status", "7")])
