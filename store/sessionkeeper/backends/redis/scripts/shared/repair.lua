-- Sessions whose hash is gone though no operation took it away: their time had passed (`ttl`),
-- somebody deleted the key, or the server evicted it. They are counted as purged.
local function beside(name) return string.match(META, '^{.-}') .. ':' .. name end

-- Asked for two keys of which one is never there, a slot that is on its way says so: else a session
-- at its other end would look as if it were gone.
local function vanished(id)
  local there = redis.pcall('EXISTS', key_of(id), beside('none'))
  if type(there) == 'table' then error({ err = 'TRYAGAIN the slot is on its way, in script: lost' }) end
  return there == 0
end

-- What a log holds: frames, bytes.
local function weigh(log)
  local count = call('XLEN', log)
  if count == 0 then return 0, 0 end
  local first = call('XRANGE', log, '-', '+', 'COUNT', 1)[1][2]
  local last = call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1][2]
  return count, last[2] - first[2] + #first[6]
end

-- Take these out of all that counts them, by what was kept of each, or else what its log says. Of
-- those without a record nobody knows the state: `lost` says that the bucket is to be counted anew.
local function bury(ids, wall)
  sound()
  for from = 1, #ids, 1000 do
    local some, frames, size, lost = {}, 0, 0, 0
    for i = from, math.min(from + 999, #ids) do some[#some + 1] = ids[i] end
    local logs, states, principals = {}, {}, {}
    for i, kept in ipairs(call('HMGET', beside('kept'), unpack(some))) do
      logs[i] = log_of(some[i])
      local count, bytes
      if kept then
        local state, principal
        state, count, bytes, principal = unpack(cmsgpack.unpack(kept))
        states[state] = (states[state] or 0) + 1
        if principal then principals[principal] = (principals[principal] or 0) + 1 end
      else
        count, bytes = weigh(logs[i])
        lost = lost + 1
      end
      frames, size = frames + count, size + bytes
    end
    for _, index in ipairs({ beside('ttl'), ORDER, IDLE, AGES, ENDED }) do
      call('ZREM', index, unpack(some))
    end
    call('HDEL', beside('kept'), unpack(some))
    call('UNLINK', unpack(logs))
    add('gone:purged', #some)
    if lost > 0 then add('lost', lost) end
    for state, number in pairs(states) do add('state:' .. state, -number) end
    for principal, number in pairs(principals) do
      if call('HINCRBY', PRINCIPALS, principal, -number) <= 0 then call('HDEL', PRINCIPALS, principal) end
    end
    if frames > 0 then
      add('removed', frames)
      add('bytes', -size)
    end
    for _, id in ipairs(some) do announce(id, wall) end
  end
end
