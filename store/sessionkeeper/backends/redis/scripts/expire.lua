--@use keys clock rows writer check_types orders counters changes removed repair | ttl_index expire_ttl
-- End idle and old sessions, and those whose `expires_at` has passed. ARGV: 4 time, 6 idle and 7 age in
-- microseconds or '', 8 limit. It reads all sessions before it changes one.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
if expire_due() then return MORE end --@ttl
check_types()
check_orders(true)
local wall, steady = read_clock(ARGV[4])
local limit = tonumber(ARGV[8])
local due, lost, seen, moved = {}, {}, {}, {}

-- Page by page: an id that is due by the other index, or whose session is gone, takes no place.
local function collect(index, bound, is_due)
  local from = 0
  while #due < limit do
    local ids = call('ZRANGEBYSCORE', index, '-inf', bound, 'LIMIT', from, limit)
    for _, id in ipairs(ids) do
      if #due == limit or #lost + #moved == MAX_LOST then return end
      if not seen[id] then
        seen[id] = true
        local row = find(key_of(id), '')
        if row and is_due(row) then
          due[#due + 1] = row
        elseif row then
          moved[#moved + 1] = { id, not row.ended and row.expires }
        elseif is_gone(id) and index == DUE and call('ZREM', ORDER, id) == 0 then
          moved[#moved + 1] = { id, false } -- it was deleted, not lost
        elseif is_gone(id) then
          lost[#lost + 1] = id
        end
      end
    end
    if #ids < limit then return end
    from = from + limit
  end
end

for i, index in ipairs({ IDLE, AGES }) do
  local span = ARGV[5 + i]
  if span ~= '' then collect(index, steady - tonumber(span), function() return true end) end
end
-- The session decides: an older library, which does not know this order, changes or deletes sessions.
collect(DUE, wall, function(row)
  return not row.ended and row.expires and tonumber(row.expires) <= wall
end)
for _, each in ipairs(moved) do note_expiry(each[1], true, each[2]) end
if #lost > 0 then remove_lost(lost, wall) end
if #lost + #moved == MAX_LOST then return MORE end
local answer = { 'OK' }
for _, row in ipairs(due) do
  local id = id_of(row.key)
  -- First, as a server without memory refuses a script whose first write may need some.
  call('ZREM', AGES, id)
  -- Without a change it tells when the session was active last; a smaller user may not ask for a score.
  local active = call('ZADD', IDLE, 'XX', 'INCR', 0, id)
  call('ZREM', IDLE, id)
  if row.expires then call('ZREM', DUE, id) end
  call('HSET', row.key, 'r', increment('revision', 1), 's', 'timed-out', 'e', wall)
  call('ZADD', ENDED, steady, id)
  -- In this order: while a slot moves, an emptied key cannot be written again.
  count_in('timed-out', row.principal)
  count_out(row.state, row.principal)
  note_end(id, 'timed-out', active or steady)
  announce_change(id, wall)
  answer[#answer + 1] = id
  answer[#answer + 1] = row.state
  answer[#answer + 1] = call('HMGET', row.key, unpack(FIELDS))
  schedule_expiry_of(row.key, wall) --@ttl
end
return record(answer)
