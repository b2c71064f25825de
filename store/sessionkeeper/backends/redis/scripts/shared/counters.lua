-- The counters of a bucket, changed in the step that changes what they count.
local function add(field, amount) return call('HINCRBY', META, field, amount) end

local function enter(state, principal)
  add('state:' .. state, 1)
  if principal then call('HINCRBY', PRINCIPALS, principal, 1) end
end

local function leave(state, principal)
  add('state:' .. state, -1)
  if principal and call('HINCRBY', PRINCIPALS, principal, -1) <= 0 then
    call('HDEL', PRINCIPALS, principal)
  end
end
