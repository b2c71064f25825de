--@use keys clock rows writer check_types orders counters changes change headers removed streams removal repair creation | ttl_index expire_ttl
-- Create a session, change the live one of its id, or replace the one that has ended. ARGV: 4 time,
-- 5 principal, 6-7 what it may hold, 8 maximum sessions, 9 the eviction policy, 10 the incarnation, from 11
-- the session. Answers what is stored, the state of a changed session before or '', a replaced one or an
-- empty list, and the evicted ones.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
if expire_due() then return MORE end --@ttl
local key, id = KEYS[9], ARGV[11]
local row = find(key, '')
if row and ARGV[5] ~= '' and row.principal ~= ARGV[5] then return { 'EXISTS' } end
local new, bounds = read_wanted(11), bounds_at(6)
local live = row and not row.ended
local no = live and find_refusal(row, new, bounds) or not live and find_new_refusal(new, bounds)
if no then return no end
check_types()
local wall, steady = read_clock(ARGV[4])
if live then
  check_orders(row.expires or new.expires, new.ends)
  store_change(row, id, new, wall, steady)
  local changed = call('HMGET', key, unpack(FIELDS))
  schedule_expiry_of(key, wall) --@ttl
  return record({ 'OK', changed, row.state, {}, {} })
end
call('XLEN', log_of(id))
if row then check_beside(row, id) end
local chosen, full = choose_evicted(tonumber(ARGV[8]), ARGV[9], row or new.expires or new.ends, row and id)
if full then return full end
local evicted = evict(chosen, wall)
local made = add_session(key, id, new, ARGV[10], wall, steady, row)
schedule_expiry(key, wall, new.state, new.principal, 0, 0) --@ttl
return record({ 'OK', made, '', row and row.raw or {}, evicted })
