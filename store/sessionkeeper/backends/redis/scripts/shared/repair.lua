-- Repair after a session's hash is gone although no operation removed it: it expired (`ttl`), somebody
-- deleted the key, or the server evicted it. Such sessions count as purged.
-- A script that meets many of them removes only those, and the client sends it again: MORE.
local MORE, MAX_LOST = { 'MORE' }, 250

local function bucket_key(name) return string.match(META, '^{.-}') .. ':' .. name end

-- For two keys of which one never exists, a node whose slot moves answers TRYAGAIN. Otherwise a session
-- that has moved already would look as if it were gone.
local function is_gone(id)
  local there = redis.pcall('EXISTS', key_of(id), bucket_key('none'))
  if type(there) == 'table' then error({ err = 'TRYAGAIN the slot is moving, in script: repair' }) end
  return there == 0
end

-- Return the frames and bytes of a log, and how many of the frames were removed.
local function measure_log(id)
  local log, row = log_of(id), { key = key_of(id), removed = true }
  local count, removed = call('XLEN', log), call_beside('ZCARD', removed_of(id))
  if count == 0 then return removed, 0, removed end
  local first = call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  local last = call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  local bytes = last[2][2] - first[2][2] + #first[2][6]
  if removed > 0 then bytes = bytes - bytes_of(removed_frames(row, number_of(first), number_of(last))) end
  return count + removed, bytes, removed
end

-- Remove these sessions from indexes and counters, by their expiry record or else by their log. Without
-- a record their state is not known: `lost` then tells that the bucket has to be counted again.
local function remove_lost(ids, wall)
  check_types()
  local expires, used = bucket_key('expires'), bucket_key('last-used')
  call('ZCARD', expires)
  call('ZCARD', used)
  for from = 1, #ids, 1000 do
    local some, frames, size, lost = {}, 0, 0, 0
    for i = from, math.min(from + 999, #ids) do some[#some + 1] = ids[i] end
    local logs, states, principals = {}, {}, {}
    local sets = {}
    for i, entry in ipairs(call('HMGET', bucket_key('expiry-records'), unpack(some))) do
      logs[i] = log_of(some[i])
      sets[#sets + 1] = index_of(some[i])
      sets[#sets + 1] = removed_of(some[i])
      local count, bytes
      if entry then
        local state, principal
        state, count, bytes, principal = unpack(cmsgpack.unpack(entry))
        states[state] = (states[state] or 0) + 1
        if principal then principals[principal] = (principals[principal] or 0) + 1 end
      else
        count, bytes = measure_log(some[i])
        lost = lost + 1
      end
      frames, size = frames + count, size + bytes
    end
    for _, index in ipairs({ bucket_key('ttl'), ORDER, IDLE, AGES, ENDED, expires, used }) do
      call('ZREM', index, unpack(some))
    end
    call('HDEL', bucket_key('expiry-records'), unpack(some))
    call('UNLINK', unpack(logs))
    call('UNLINK', unpack(sets))
    increment('gone:purged', #some)
    if lost > 0 then increment('lost', lost) end
    for state, number in pairs(states) do increment('state:' .. state, -number) end
    for principal, number in pairs(principals) do
      if call('HINCRBY', PRINCIPALS, principal, -number) <= 0 then call('HDEL', PRINCIPALS, principal) end
    end
    if frames > 0 then
      increment('removed', frames)
      increment('bytes', -size)
    end
    for _, id in ipairs(some) do announce_change(id, wall) end
  end
end
