-- Posts each line of a file once, as walk.py writes them, to a path.
local requests = {}
local sent, answered = 0, 0

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
    return requests[sent]
end

function response()
    answered = answered + 1
    if answered == #requests then wrk.thread:stop() end
end
