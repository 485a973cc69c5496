-- Asks `guard serve` whether a request may pass. Without a clear answer it is 503.

local IDENTITY = { "Sub", "Sid", "Tid", "Oid", "Client-Id", "Scope", "Roles", "Acr", "Auth-Time", "Exp", "Rev", "Assertion" }

local function first(headers, name)
  return headers and headers[name] and headers[name][0]
end

-- Returns every value of a header, so that the guard detects a repeated one.
local function values(headers, name)
  local list = {}
  for _, value in pairs(headers[name] or {}) do
    list[#list + 1] = value
  end
  return list
end

local function ask(txn, address)
  local request = txn.http:req_get_headers()
  local headers = {
    ["x-forwarded-method"] = { txn.f:method() },
    ["x-forwarded-host"] = values(request, "host"),
    ["x-forwarded-uri"] = { txn.f:pathq() },
  }
  for _, name in ipairs({ "authorization", "dpop", "upgrade" }) do
    if request[name] then
      headers[name] = values(request, name)
    end
  end
  return core.httpclient():get({ url = "http://" .. address .. "/", headers = headers, timeout = 2000 })
end

core.register_action("guard", { "http-req" }, function(txn, address)
  local asked, answer = pcall(ask, txn, address)
  local said = asked and answer and first(answer.headers, "x-guard")
  local status = said and answer.status or 503
  if status == 200 and said ~= "allowed" and said ~= "public" then
    status = 503
  end
  txn:set_var("txn.guard_status", status)
  txn:set_var("txn.guard_challenge", first(answer and answer.headers, "www-authenticate") or "Bearer")
  -- Sets every identity header, also empty ones, so that none of the client remains.
  for _, name in ipairs(IDENTITY) do
    txn.http:req_set_header("X-Guard-" .. name, status == 200 and first(answer.headers, "x-guard-" .. name:lower()) or "")
  end
end, 1)
