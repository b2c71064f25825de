--@use keys clock rows writer check_types counters changes change removal repair | ttl_index expire_ttl
-- ARGV: 4 now, 5 principal, 6 '1' to give back what is there, 7 most metadata, 8 most sessions,
-- 9 what makes room, 10-20 the session.
if fenced() then return FENCED end
if not follows(ARGV[#ARGV]) then return BEHIND end
if reap() then return MORE end --@ttl
local key, id = KEYS[9], ARGV[10]
if ARGV[6] == '1' then
  local there = find(key, '')
  if there and ARGV[5] ~= '' and there.principal ~= ARGV[5] then return { 'MISSING' } end
  if there then return { 'THERE', there.raw } end
elseif call('EXISTS', key) == 1 then
  return { 'EXISTS' }
end
local new = wanted(10)
if new.size > tonumber(ARGV[7]) then
  return { 'LIMIT', 'max_metadata_bytes', new.size, tonumber(ARGV[7]) }
end
if new.agreed and new.transport ~= '' and new.transport ~= new.agreed then
  return { 'VERSION', new.agreed, new.transport }
end
sound()
local wall, steady = now(ARGV[4])

-- Who must go, read before anything is changed.
local most, policy = tonumber(ARGV[8]), ARGV[9]
local sessions, over = call('ZCARD', ORDER), call('ZCARD', ENDED)
local missing = sessions - most + 1
local victims = {}
if missing > 0 then
  local able = policy == 'reject' and 0 or (policy == 'evict-ended' and over or sessions)
  if able < missing then return { 'LIMIT', 'max_sessions', sessions, most } end
  local first = call('ZRANGE', ENDED, 0, missing - 1)
  for _, each in ipairs(first) do victims[#victims + 1] = each end
  if #victims < missing then
    for _, each in ipairs(call('ZRANGE', IDLE, 0, missing - #victims - 1)) do
      victims[#victims + 1] = each
    end
  end
  for i, each in ipairs(victims) do
    local row = find(key_of(each), '')
    if not row then vanished(each) end -- or else it is only at the other end of its slot
    victims[i] = { id = each, row = row }
    call('XLEN', log_of(each))
  end
end
local evicted = {}
for _, each in ipairs(victims) do
  if each.row then
    remove(each.row, each.id, 'evicted', wall)
    evicted[#evicted + 1] = each.id
    evicted[#evicted + 1] = each.row.raw
  else
    bury({ each.id }, wall)
  end
end

local number, revision = add('number', 1), add('revision', 1)
-- What an append reads and writes comes first: a small hash is looked through from its beginning.
call('HSET', key, 'q', 0, 'k', 0, 'z', 0, 't', 0, 'a', wall, 'r', revision, 's', new.state,
  'n', number, 'c', wall, 'd', new.fields)
set(key, 'x', false, new.held)
set(key, 'p', false, new.principal)
set(key, 'o', false, new.agreed)
if call('ZADD', ORDER, number, id) == 0 then -- one of this name was lost: what it left goes first
  bury({ id }, wall)
  call('ZADD', ORDER, number, id)
end
add('created', 1)
enter(new.state, new.principal)
if new.ends then
  call('HSET', key, 'e', wall)
  call('ZADD', ENDED, steady, id)
  add('ended:' .. new.state, 1)
else
  call('ZADD', IDLE, steady, id)
  call('ZADD', AGES, steady, id)
end
local made = call('HMGET', key, unpack(FIELDS))
keep(key, wall, new.state, new.principal, 0, 0) --@ttl
return done({ 'OK', made, evicted })
