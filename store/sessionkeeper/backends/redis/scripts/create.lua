--@use keys clock rows writer check_types orders counters changes change streams removal repair | ttl_index expire_ttl
-- Create a session. ARGV: 4 time, 5 principal, 6 '1' to return an existing one, 7-8 what it may hold,
-- 9 maximum sessions, 10 the eviction policy, 11 the incarnation, from 12 the session.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
if expire_due() then return MORE end --@ttl
local key, id = KEYS[9], ARGV[12]
if ARGV[6] == '1' then
  local there = find(key, '')
  if there and ARGV[5] ~= '' and there.principal ~= ARGV[5] then return { 'MISSING' } end
  if there then return { 'THERE', there.raw } end
elseif call('EXISTS', key) == 1 then
  return { 'EXISTS' }
end
local new = read_wanted(12)
local no = find_excess(nil, new, bounds_at(7))
if no then return no end
if new.agreed and new.transport ~= '' and new.transport ~= new.agreed then
  return { 'VERSION', new.agreed, new.transport }
end
check_types()
local wall, steady = read_clock(ARGV[4])

-- Choose the sessions to evict; read them before anything is changed.
local in_orders = new.expires or new.ends
local maximum, policy = tonumber(ARGV[9]), ARGV[10]
local sessions, ended = call('ZCARD', ORDER), call('ZCARD', ENDED)
local missing = sessions - maximum + 1
local chosen = {}
if missing > 0 then
  local evictable = policy == 'reject' and 0 or (policy == 'evict-ended' and ended or sessions)
  if evictable < missing then return { 'LIMIT', 'max_sessions', sessions, maximum } end
  local first = call('ZRANGE', ENDED, 0, missing - 1)
  for _, each in ipairs(first) do chosen[#chosen + 1] = each end
  if #chosen < missing then
    for _, each in ipairs(call('ZRANGE', IDLE, 0, missing - #chosen - 1)) do
      chosen[#chosen + 1] = each
    end
  end
  for i, each in ipairs(chosen) do
    local row = find(key_of(each), '')
    if not row then is_gone(each) end -- fails if it is only on the other node of its slot
    chosen[i] = { id = each, row = row }
    in_orders = in_orders or (row and (row.expires or row.ended))
    call('XLEN', log_of(each))
    if row then check_index(row, each) end
  end
end
check_orders(in_orders)
local evicted = {}
for _, each in ipairs(chosen) do
  if each.row then
    remove_session(each.row, each.id, 'evicted', wall)
    evicted[#evicted + 1] = each.id
    evicted[#evicted + 1] = each.row.raw
  else
    remove_lost({ each.id }, wall)
  end
end

local number, revision = increment('number', 1), increment('revision', 1)
-- Fields that an append uses come first: a small hash is searched from its beginning.
call('HSET', key, 'q', 0, 'k', 0, 'z', 0, 't', 0, 'a', wall, 'r', revision, 's', new.state,
  'n', number, 'c', wall, 'd', new.fields, 'i', ARGV[11])
set_field(key, 'x', false, new.held)
set_field(key, 'p', false, new.principal)
set_field(key, 'o', false, new.agreed)
set_field(key, 'w', false, new.expires)
if call('ZADD', ORDER, number, id) == 0 then -- a session of this id was lost: remove what it left
  remove_lost({ id }, wall)
  call('ZADD', ORDER, number, id)
end
increment('created', 1)
count_in(new.state, new.principal)
if new.ends then
  call('HSET', key, 'e', wall)
  call('ZADD', ENDED, steady, id)
  note_end(id, new.state, steady)
else
  call('ZADD', IDLE, steady, id)
  call('ZADD', AGES, steady, id)
  note_expiry(id, false, new.expires)
end
local made = call('HMGET', key, unpack(FIELDS))
schedule_expiry(key, wall, new.state, new.principal, 0, 0) --@ttl
return record({ 'OK', made, evicted })
