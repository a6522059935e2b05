-- Progress facts with fresh ids, from many pupils in turn; prints one JSON line at the end.
-- Arguments: a file of lines "cookie enrolment_id", a file of section ids.

local learners, sections, number, draws = {}, {}, 0, 0
local headers = { ["Content-Type"] = "application/json" }
local threads = 0

function setup(thread)
   threads = threads + 1
   thread:set("seat", threads)
end

function init(args)
   for line in io.lines(args[1]) do
      local cookie, enrolment = line:match("^(%S+) (%S+)$")
      learners[#learners + 1] = { cookie = cookie, enrolment = enrolment }
   end
   for line in io.lines(args[2]) do
      sections[#sections + 1] = line
   end
   math.randomseed(os.time() * 64 + seat)
   draws = math.random(0, 0xffff)
end

-- Version 7 by its form: milliseconds, then chance and a counter, so no id repeats.
local function id(now_ms)
   draws = draws + 1
   return string.format("%08x-%04x-7%03x-8%03x-%04x%04x%04x",
      math.floor(now_ms / 0x10000), now_ms % 0x10000, math.random(0, 0xfff), seat,
      math.random(0, 0xffff), math.floor(draws / 0x10000) % 0x10000, draws % 0x10000)
end

function request()
   number = number + 1
   local learner = learners[number % #learners + 1]
   local now_ms = os.time() * 1000
   headers["Cookie"] = learner.cookie
   local body = string.format(
      '{"facts":[{"id":"%s","enrolment_id":"%s","section_id":"%s","percent":%d,"at_ms":%d}]}',
      id(now_ms), learner.enrolment, sections[math.random(#sections)], math.random(0, 100), now_ms)
   return wrk.format("POST", "/api/v1/progress-facts", headers, body)
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
