--@use keys clock rows writer check_types orders counters changes change headers removed streams removal repair creation | ttl_index expire_ttl
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
local no = find_new_refusal(new, bounds_at(7))
if no then return no end
check_types()
local wall, steady = read_clock(ARGV[4])
local in_orders = new.expires or new.ends
local chosen, full = choose_evicted(tonumber(ARGV[9]), ARGV[10], in_orders, nil)
if full then return full end
local evicted = evict(chosen, wall)
local made = add_session(key, id, new, ARGV[11], wall, steady, nil)
schedule_expiry(key, wall, new.state, new.principal, 0, 0) --@ttl
return record({ 'OK', made, evicted })
