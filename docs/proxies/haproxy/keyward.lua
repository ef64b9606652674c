-- Keyward for HAProxy 2.6 and later; nothing else has to be installed.
--
--   http-request lua.keyward /scope/articles:read/cost/5
--
-- asks Keyward about the request. If Keyward lets it in, txn.keyward_ok is true, the identity of the
-- caller is in the headers of the request, and the state of its limit in txn.keyward_*. Otherwise
-- the client gets Keyward's response, or 503 if there is none.

local KEYWARD = os.getenv("KEYWARD") or "http://127.0.0.1:8002"
local DOOR_KEY = os.getenv("KEYWARD_DOOR_KEY") -- only with `door_keys_file`

-- How long one try may take. HAProxy makes up to four, so a request waits 2 s at most.
-- (From 2.8 on, `httpclient.retries` in the section `global` says how many it makes.)
local TIMEOUT_MS = 500

local CREDENTIALS = { "authorization", "x-api-key", "x-request-id" }
local IDENTITY = {
  "x-keyward-key-id", "x-keyward-name", "x-keyward-tier", "x-keyward-owner", "x-keyward-scopes",
}
local LIMITS = {
  ["ratelimit-policy"] = "txn.keyward_policy",
  ["ratelimit"] = "txn.keyward_limit",
  ["x-ratelimit-limit"] = "txn.keyward_x_limit",
  ["x-ratelimit-remaining"] = "txn.keyward_x_left",
  ["x-ratelimit-reset"] = "txn.keyward_x_reset",
}
local COPIED = { "content-type", "cache-control", "www-authenticate", "retry-after" }
for name in pairs(LIMITS) do COPIED[#COPIED + 1] = name end

local function reject(txn, status, body, headers)
  local reply = txn:reply({ status = status, body = body })
  for name, values in pairs(headers) do
    for _, value in pairs(values) do reply:add_header(name, value) end
  end
  txn:done(reply)
end

local function unavailable(txn)
  reject(txn, 503, '{"detail":"Keyward cannot be reached"}', {
    ["content-type"] = { "application/json" }, ["cache-control"] = { "no-store" },
    ["retry-after"] = { "1" },
  })
end

local function question(txn)
  local sent = txn.http:req_get_headers()
  local asked = {
    -- HAProxy repeats a request that gets no response: one name for all tries of this request, which
    -- no client can choose, has them take from the limit once.
    ["x-keyward-ask"] = { txn.f:uuid() },
    ["x-forwarded-for"] = { txn.f:src() },
  }
  if DOOR_KEY then asked["x-keyward-door"] = { DOOR_KEY } end
  for _, name in ipairs(CREDENTIALS) do
    if sent[name] then
      local values = {}
      for _, value in pairs(sent[name]) do values[#values + 1] = value end
      asked[name] = values
    end
  end
  return asked
end

core.register_action("keyward", { "http-req" }, function(txn, needs)
  local url = KEYWARD .. "/doors/haproxy" .. (needs == "/" and "" or needs)
  local response = core.httpclient():get({ url = url, headers = question(txn), timeout = TIMEOUT_MS })
  if not response or response.status == 0 then return unavailable(txn) end
  -- HAProxy's own 503 when it could not connect: Keyward's names a time to wait.
  if response.status >= 500 and not response.headers["retry-after"] then return unavailable(txn) end
  if response.status ~= 200 then
    local copied = {}
    for _, name in ipairs(COPIED) do copied[name] = response.headers[name] end
    return reject(txn, response.status, response.body or "", copied)
  end
  for _, name in ipairs(IDENTITY) do
    local values = response.headers[name]
    txn.http:req_set_header(name, values and values[0] or "")
  end
  for name, variable in pairs(LIMITS) do
    if response.headers[name] then txn:set_var(variable, response.headers[name][0]) end
  end
  txn:set_var("txn.keyward_ok", true)
end, 1)
