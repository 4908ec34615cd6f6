-- wrk's request: POST with a body of the size that follows the URL. Its figures: one line of JSON at the end of wrk's output.
function init(arguments)
  local size = tonumber(arguments[1])
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "text/plain"
  wrk.body = string.rep("abcdefghijklmnopqrstuvwxyz", math.ceil(size / 26)):sub(1, size)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"bytes":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
