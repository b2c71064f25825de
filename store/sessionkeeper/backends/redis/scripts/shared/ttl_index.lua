-- In a store with a `ttl`: TTL milliseconds after the last write to a session the server frees its
-- hash and its log by itself. `ttl` holds the moment by id, and `kept` what is to be known of it then.
-- Of those two nothing is said to the cluster before the script runs, nor of logs. So nothing is
-- begun while the slot is on its way: two keys of which none is ever there are asked for to know.
local still = redis.pcall('EXISTS', KEPT .. ':none', DUE .. ':none')
if type(still) == 'table' then return redis.error_reply('TRYAGAIN the slot is on its way') end

local function keep(key, wall, state, principal, count, bytes)
  local id = id_of(key)
  local moment = string.format('%.0f', math.floor(wall / 1000) + TTL)
  call('PEXPIREAT', key, moment)
  if count > 0 then call('PEXPIREAT', log_of(id), moment) end
  call('ZADD', DUE, moment, id)
  call('HSET', KEPT, id, cmsgpack.pack({ state, count, bytes, principal }))
end

-- The same by what its hash says now.
local function keep_as_is(key, wall)
  local now = call('HMGET', key, 's', 'p', 'k', 'z')
  keep(key, wall, now[1], now[2], tonumber(now[3]), tonumber(now[4]))
end
