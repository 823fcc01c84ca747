-- wrk script: a new payment with every request.
-- Arguments after "--": PROTOCOL KEYS BODY TOKEN PATH
--   PROTOCOL  json (POST /v1/payments) or osmp (GET /osmp/kiosk)
--   KEYS      v4 (random) or v7 (rising with time); OSMP's txn_id likewise, as digits
--   BODY      full (every field of the API) or plain (the three it needs); osmp: -
--   TOKEN     the bearer token; osmp: -
--   PATH      where JSON goes when not to /v1/payments: a peer's own
-- Accounts are drawn from a million.
local ffi = require("ffi")
ffi.cdef[[ typedef struct { long s; long ns; } bench_ts; int clock_gettime(int, bench_ts *); int getpid(void); ]]
local ts = ffi.new("bench_ts")
local fmt, random, floor = string.format, math.random, math.floor
local protocol, keys, shape, token, path
local counter = 0

function init(args)
  protocol, keys, shape, token = args[1] or "json", args[2] or "v4", args[3] or "full", args[4] or ""
  path = args[5] or "/v1/payments"
  ffi.C.clock_gettime(0, ts)
  math.randomseed(tonumber(ts.ns) + ffi.C.getpid() * 7919)
  for _ = 1, 10 do random() end
end

local function now_ms()
  ffi.C.clock_gettime(0, ts)
  return tonumber(ts.s) * 1000 + floor(tonumber(ts.ns) / 1000000)
end

local function uuid()
  if keys == "v7" then
    local ms = now_ms()
    counter = (counter + 1) % 4096
    return fmt("%08x-%04x-7%03x-%04x-%04x%08x", floor(ms / 65536), ms % 65536, counter,
      32768 + random(0, 16383), random(0, 65535), random(0, 4294967295))
  end
  return fmt("%08x-%04x-4%03x-%04x-%04x%08x", random(0, 4294967295), random(0, 65535),
    random(0, 4095), 32768 + random(0, 16383), random(0, 65535), random(0, 4294967295))
end

local function digits()
  if keys == "v7" then
    counter = (counter + 1) % 1000000
    return fmt("%d%06d", now_ms(), counter)
  end
  return fmt("1%09d%09d", random(0, 999999999), random(0, 999999999))
end

local function osmp()
  return fmt("GET /osmp/kiosk?command=pay&txn_id=%s&txn_date=20260115120000&account=7707%06d&sum=%d.%02d HTTP/1.1\r\n" ..
    "Host: 127.0.0.1\r\n\r\n", digits(), random(0, 999999), random(1, 1499), random(0, 99))
end

local function json()
  local body = fmt('{"account":"7707%06d","amount":"%d.%02d","currency":"RUB"', random(0, 999999), random(1, 1499),
    random(0, 99))
  if shape == "full" then
    body = body .. ',"service":"internet","time":"2026-01-15T12:00:00+05:00",' ..
      '"attributes":{"terminal":"T1001045","receipt":"000123456"}'
  end
  body = body .. "}"
  return fmt("POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nIdempotency-Key: %s\r\n" ..
    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, token, uuid(), #body, body)
end

function request()
  if protocol == "osmp" then return osmp() end
  return json()
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(fmt('LOAD {"requests":%d,"us":%d,"not_2xx":%d,"socket_errors":%d,"timeouts":%d,"p50":%d,"p99":%d,"p999":%d,"max":%d}\n',
    summary.requests, summary.duration, e.status, e.connect + e.read + e.write, e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max))
end
