-- A circuit breaker of the same policy, for one service: three failures in a row open it, calls go
-- to the fallback while it is open, and after a wait one trial decides. The fallback also answers a
-- call that failed. Each worker has its own: Lua shares nothing between them.
local THRESHOLD, WAIT, PREFIX = 3, 3600000, "/payments"
local CLUSTER, STATE, FALLBACK = "x-circuit-breaker-cluster", "x-circuit-breaker-state", "x-circuit-breaker-fallback"
local NAMESPACE = "breaker"

local failures, open_until, trial_until = 0, nil, 0

-- Nil: the call may be made. Else why not.
local function refuses(handle)
  if not open_until then return nil end
  local now = handle:timestamp()
  if now < open_until then return "open" end
  if now < trial_until then return "half_open" end
  trial_until = now + WAIT
  return nil
end

function envoy_on_request(handle)
  local headers = handle:headers()
  headers:remove(CLUSTER)
  local path = headers:get(":path")
  if path:sub(1, #PREFIX) ~= PREFIX then return end
  local reason = refuses(handle)
  local noted = handle:streamInfo():dynamicMetadata()
  if reason then
    noted:set(NAMESPACE, "reason", reason)
    headers:add(CLUSTER, "fallback")
    headers:add("x-circuit-breaker-reason", reason)
    handle:clearRouteCache()
  else
    -- So that the fallback can be asked the same.
    noted:set(NAMESPACE, "path", path)
  end
end

local function answer_by_fallback(handle, headers, path)
  local request = { [":method"] = "GET", [":path"] = path, [":authority"] = "fallback",
    ["x-circuit-breaker-reason"] = "failure" }
  local head, body = handle:httpCall("fallback", request, nil, 5000)
  if head[":status"] ~= "200" then return end
  headers:replace(":status", "200")
  headers:replace(FALLBACK, "replay")
  handle:body():setBytes(body or "")
end

function envoy_on_response(handle)
  local noted = handle:streamInfo():dynamicMetadata():get(NAMESPACE)
  if not noted then return end
  local headers = handle:headers()
  if noted["reason"] then
    headers:replace(STATE, "OPEN")
    headers:replace(FALLBACK, "cluster")
  elseif headers:get(":status"):byte(1) ~= 53 then
    failures, open_until = 0, nil
  else
    failures = failures + 1
    if open_until or failures >= THRESHOLD then
      open_until, trial_until = handle:timestamp() + WAIT, 0
    end
    answer_by_fallback(handle, headers, noted["path"])
  end
end
