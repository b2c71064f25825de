--@use keys clock rows writer check_types counters changes repair | ttl_index expire_ttl
-- ARGV: 4 now, 6 idle and 7 age in microseconds or '', 8 limit. Reads all before it changes any.
if fenced() then return FENCED end
if not follows(ARGV[#ARGV]) then return BEHIND end
if reap() then return MORE end --@ttl
sound()
local wall, steady = now(ARGV[4])
local limit = tonumber(ARGV[8])
local due, lost, met = {}, {}, {}
for i, index in ipairs({ IDLE, AGES }) do
  local span = ARGV[5 + i]
  if span ~= '' and #due < limit then
    local bound = steady - tonumber(span)
    -- As many again as are due already: those may be due by their age as well.
    for _, id in ipairs(call('ZRANGEBYSCORE', index, '-inf', bound, 'LIMIT', 0, limit + #due)) do
      if #due < limit and not met[id] then
        met[id] = true
        local row = find(key_of(id), '')
        if row then
          due[#due + 1] = row
        elseif vanished(id) then
          lost[#lost + 1] = id
        end
      end
    end
  end
end
if #lost > 0 then bury(lost, wall) end
local answer = { 'OK' }
for _, row in ipairs(due) do
  local id = id_of(row.key)
  call('HSET', row.key, 'r', add('revision', 1), 's', 'timed-out', 'e', wall)
  call('ZREM', IDLE, id)
  call('ZREM', AGES, id)
  call('ZADD', ENDED, steady, id)
  -- In this order: while a slot moves, a key that was emptied cannot be written again.
  enter('timed-out', row.principal)
  leave(row.state, row.principal)
  add('ended:timed-out', 1)
  announce(id, wall)
  answer[#answer + 1] = id
  answer[#answer + 1] = row.state
  answer[#answer + 1] = call('HMGET', row.key, unpack(FIELDS))
  keep_as_is(row.key, wall) --@ttl
end
return done(answer)
