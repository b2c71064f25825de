-- The counters of a bucket. They change in the same step as what they count.
-- Minus nothing would be written as `-0`, which Redis 7.0 takes for no integer.
local function increment(field, amount) return call('HINCRBY', META, field, amount + 0) end

local function count_in(state, principal)
  increment('state:' .. state, 1)
  if principal then call('HINCRBY', PRINCIPALS, principal, 1) end
end

local function count_out(state, principal)
  increment('state:' .. state, -1)
  if principal and call('HINCRBY', PRINCIPALS, principal, -1) <= 0 then
    call('HDEL', PRINCIPALS, principal)
  end
end
