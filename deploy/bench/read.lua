-- Random rows of http-rows.sql for wrk:  … -- PATH [TOKEN]
-- The row's UUID goes behind PATH (the bare routes: /orders/), or with an API key TOKEN its TypeID's digits (the
-- product: /v1/orders/ord_).
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
  local path, token = args[1], args[2]
  local headers = {}
  if token then headers["Authorization"] = "Bearer " .. token end
  for number = 1, 10000 do
    local uuid = string.format("01900000-0000-7000-8000-%012x", number)
    requests[number] = wrk.format("GET", path .. (token and typeid(uuid) or uuid), headers)
  end
end

function request() return requests[math.random(1, 10000)] end
