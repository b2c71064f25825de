--@use keys clock rows changes counters check_types repair
-- Count the whole bucket again after sessions or logs were lost without a record: O(sessions). Missing
-- frames count as removed, so the sums hold. ARGV: 1 time.
local wall = read_clock(ARGV[1])
check_types()
is_gone('') -- fails while the slot moves
local states, principals, shrunk, gone, frames, size = {}, {}, {}, {}, 0, 0
for _, id in ipairs(call('ZRANGE', ORDER, 0, -1)) do
  local key = key_of(id)
  local row = call('HMGET', key, 'n', 's', 'p', 'k', 'z')
  if row[1] then
    local count, bytes = measure_log(log_of(id))
    if count ~= tonumber(row[4]) then shrunk[#shrunk + 1] = { id, count, bytes, row[2], row[3] } end
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
