-- In a store with a `ttl` the server frees the hash, the log and the sets beside it of a session TTL
-- milliseconds after its last write. EXPIRY has that time by id, and EXPIRY_RECORDS what the session counts for. A cluster does
-- not check these two keys, nor logs, before the script runs. So the script does not begin while its slot
-- moves; it finds out with two keys that never exist.
local moving = redis.pcall('EXISTS', EXPIRY_RECORDS .. ':none', EXPIRY .. ':none')
if type(moving) == 'table' then return redis.error_reply('TRYAGAIN the slot is moving') end

local function schedule_expiry(key, wall, state, principal, count, bytes, indexed, removed)
  local id = id_of(key)
  local time = string.format('%.0f', math.floor(wall / 1000) + TTL)
  call('PEXPIREAT', key, time)
  if count > 0 then call('PEXPIREAT', log_of(id), time) end
  if indexed then call('PEXPIREAT', index_of(id), time) end
  if removed then call('PEXPIREAT', removed_of(id), time) end
  call('ZADD', EXPIRY, time, id)
  call('HSET', EXPIRY_RECORDS, id, cmsgpack.pack({ state, count, bytes, principal }))
end

-- The same with the values that its hash has now.
local function schedule_expiry_of(key, wall)
  local fields = call('HMGET', key, 's', 'p', 'k', 'z', 'j', 'v')
  local count, bytes = tonumber(fields[3]), tonumber(fields[4])
  schedule_expiry(key, wall, fields[1], fields[2], count, bytes, fields[5], fields[6])
end
