-- GETs of given addresses by many people in turn; prints one JSON line at the end.
-- Arguments: a file of lines "cookie path".

local wishes, number = {}, 0

function init(args)
   for line in io.lines(args[1]) do
      local cookie, path = line:match("^(%S+) (%S+)$")
      wishes[#wishes + 1] = { cookie = cookie, path = path }
   end
end

function request()
   number = number + 1
   local wish = wishes[number % #wishes + 1]
   return wrk.format("GET", wish.path, { ["Cookie"] = wish.cookie })
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '{"requests":%d,"duration_us":%d,"bad_status":%d,"dropped":%d,"timeouts":%d,'
      .. '"p50_us":%d,"p95_us":%d,"p99_us":%d,"max_us":%d}\n',
      summary.requests, summary.duration, errors.status,
      errors.connect + errors.read + errors.write, errors.timeout,
      latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max))
end
