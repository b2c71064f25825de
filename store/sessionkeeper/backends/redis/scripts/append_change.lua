--@use keys clock rows writer check_types orders counters changes headers removed streams log change | repair ttl_index expire_ttl
-- Append to a log and change its session. ARGV: 4 time, 5 principal, 6 count, 7-10 limits,
-- 11-14 requirements, 15-16 what the session may hold, from 17 the change, then the frames.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
if expire_due() then return MORE end --@ttl
local row = find(KEYS[9], ARGV[5])
if not row then return { 'MISSING' } end
if row.ended then return { 'CLOSED', row.state } end
local count = tonumber(ARGV[6])
local held = tonumber(call('HGET', META, 'bytes') or 0)
local drop, no = check_append(KEYS[10], row, count, limits_at(7), 11, held)
if no then return no end
local new = read_wanted(17)
no = find_refusal(row, new, bounds_at(15))
if no then return no end
check_types()
check_orders(row.expires or new.expires, new.ends)
local plan = plan_index(KEYS[10], row, drop, count, 17 + WANTED_FIELDS, ARGV[14])
local wall, steady = read_clock(ARGV[4])
if drop > 0 then
  increment('dropped', drop)
  increment('bytes', -drop_oldest(KEYS[10], row, drop))
end
increment('bytes', append_frames(KEYS[10], row, count, 17 + WANTED_FIELDS, wall, steady, ARGV[14]))
if plan then change_index(row, plan) end
increment('added', count)
store_change(row, ARGV[17], new, wall, steady)
local changed = call('HMGET', KEYS[9], unpack(FIELDS))
schedule_expiry_of(row.key, wall) --@ttl
return record({ 'OK', row.last, row.state, changed })
