-- Random orders of http.sql for wrk:  … -- KIND TOKEN
-- KIND is typeid (the product: /v1/orders/ord_…, with the API key TOKEN) or uuid (the bare route: /orders/…).
local digits = "0123456789abcdefghjkmnpqrstvwxyz"

-- 26 base32 digits for a UUID's 128 bits, 2 zero bits in front.
local function typeid(uuid)
  local bits = "00"
  for digit in uuid:gsub("-", ""):gmatch(".") do
    local value = tonumber(digit, 16)
    for place = 3, 0, -1 do bits = bits .. math.floor(value / 2 ^ place) % 2 end
  end
  local text = bits:gsub(".....", function(five)
    local value = tonumber(five, 2)
    return digits:sub(value + 1, value + 1)
  end)
  return text
end

local requests = {}

function init(args)
  math.randomseed(os.time())
  local headers = {}
  if args[1] == "typeid" then headers["Authorization"] = "Bearer " .. args[2] end
  for number = 1, 10000 do
    local uuid = string.format("01900000-0000-7000-8000-%012x", number)
    local path = args[1] == "typeid" and "/v1/orders/ord_" .. typeid(uuid) or "/orders/" .. uuid
    requests[number] = wrk.format("GET", path, headers)
  end
end

function request() return requests[math.random(1, 10000)] end
