--@use keys clock rows changes counters check_types removed repair
-- Count the whole bucket again after sessions or logs were lost without a record: O(sessions). Missing
-- frames count as removed, so the sums hold. ARGV: 1 time.
local wall = read_clock(ARGV[1])
check_types()
is_gone('') -- fails while the slot moves

-- Repair a log that lost frames and has removed ones: what comes before the last number that is missing
-- goes, too. Returns its frames, and bytes, and those of the removed frames. O(frames).
local function repair_log(id, last)
  local log, row = log_of(id), { key = key_of(id), removed = true }
  local sizes, bytes, gone, first = {}, 0, 0, last + 1
  for _, each in ipairs(removed_frames(row, 0, last)) do sizes[each.seq] = each.size end
  while first > 1 do
    local seq = string.format('%.0f-0', first - 1)
    local entry = call('XRANGE', log, seq, seq)[1]
    if not entry and not sizes[first - 1] then break end
    bytes = bytes + (entry and #entry[2][6] or 0)
    gone = gone + (entry and 0 or sizes[first - 1])
    first = first - 1
  end
  call('XTRIM', log, 'MINID', '=', string.format('%.0f-0', first))
  call('ZREMRANGEBYSCORE', removed_of(id), '-inf', string.format('(%.0f', first))
  if call('ZCARD', removed_of(id)) == 0 then gone = nil end
  return last - first + 1, bytes, gone
end

local states, principals, shrunk, gone, frames, size = {}, {}, {}, {}, 0, 0
for _, id in ipairs(call('ZRANGE', ORDER, 0, -1)) do
  local key = key_of(id)
  local row = call('HMGET', key, 'n', 's', 'p', 'k', 'z', 'q', 'v')
  if row[1] then
    local count, bytes, removed = measure_log(id)
    if count ~= tonumber(row[4]) then
      local gone
      if row[7] or removed > 0 then count, bytes, gone = repair_log(id, tonumber(row[6])) end
      shrunk[#shrunk + 1] = { id, count, bytes, row[2], row[3], gone, row[7] }
    end
    states[row[2]] = (states[row[2]] or 0) + 1
    if row[3] then principals[row[3]] = (principals[row[3]] or 0) + 1 end
    frames, size = frames + count, size + bytes
  elseif is_gone(id) then
    gone[#gone + 1] = id
  end
end
if #gone > 0 then remove_lost(gone, wall) end
for _, each in ipairs(shrunk) do
  call('HSET', key_of(each[1]), 'k', each[2], 'z', each[3])
  if each[6] then
    call('HSET', key_of(each[1]), 'v', each[6])
  elseif each[7] then
    call('HDEL', key_of(each[1]), 'v')
  end
  call('HSET', EXPIRY_RECORDS, each[1], cmsgpack.pack({ each[4], each[2], each[3], each[5] })) --@ttl
end
call('DEL', PRINCIPALS)
for principal, count in pairs(principals) do call('HSET', PRINCIPALS, principal, count) end
local counters = call('HGETALL', META)
for i = 1, #counters, 2 do
  if string.sub(counters[i], 1, 6) == 'state:' then call('HSET', META, counters[i], 0) end
end
for state, count in pairs(states) do call('HSET', META, 'state:' .. state, count) end
local added, dropped = unpack(call('HMGET', META, 'added', 'dropped'))
call('HSET', META, 'removed', (added or 0) - (dropped or 0) - frames, 'bytes', size)
call('HDEL', META, 'lost')
return { 'OK', call('HGETALL', META) }
