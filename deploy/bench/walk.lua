-- Posts each line of a file once, as walk.py writes them, to a path.
local requests = {}
-- wrk asks once before it begins, to see whether it can.
local sent, answered = -1, 0

function init(args)
    for line in io.lines(args[1]) do
        local signature, body = line:match("^(%S+)\t(.*)$")
        requests[#requests + 1] = wrk.format("POST", args[2], {
            ["Content-Type"] = "application/json",
            ["X-Shopify-Topic"] = "orders/create",
            ["X-Shopify-Webhook-Id"] = signature,
            ["X-Shopify-Hmac-Sha256"] = signature,
        }, body)
    end
end

-- Past the end the last one again, which is a repeated delivery, until all are answered.
function request()
    sent = math.min(sent + 1, #requests)
    return requests[math.max(sent, 1)]
end

-- wrk itself would go on to the end of its time. Some connection may lag behind others that repeat the last one already.
function response(status)
    answered = answered + 1
    if status ~= 200 then
        io.stderr:write("a webhook was answered with ", status, "\n")
        os.exit(1)
    end
    if answered == #requests + 64 then os.exit(0) end
end
