--@use keys clock rows writer check_types orders counters changes change | ttl_index
-- Make a session what it is in an archive. ARGV: 4 time, 5-6 what it may hold, 7 the last number of its
-- log, 8 the times of creation, 9 of activity and 10 of its end or '', 11 how far they may lie in the
-- future, all in microseconds, from 12 the session.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
local row = find(KEYS[9], '')
if not row then return { 'MISSING' } end
if row.ended then return { 'CLOSED', row.state } end
local new = read_wanted(12)
local revision = string.sub(new.expected, 3)
if revision ~= row.revision then return { 'REVISION', row.revision } end
if tonumber(ARGV[7]) ~= row.last then return { 'SEQUENCE', row.last, ARGV[7] } end
local wall, steady = read_clock(ARGV[4])
local created, active, ended = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
if math.max(created, active, ended or 0) > wall + tonumber(ARGV[11]) then return { 'FUTURE' } end
local no = find_refusal(row, new, bounds_at(5))
if no then return no end
check_types()
check_orders(row.expires or new.expires, new.ends)
store_change(row, ARGV[12], new, wall, steady)
-- A watcher knows the session by its first time of creation: this is no other session.
call('HSETNX', row.key, 'b', row.raw[3])
call('HSET', row.key, 'c', ARGV[8], 'a', ARGV[9])
if ended then
  call('HSET', row.key, 'e', ARGV[10])
  call('ZADD', ENDED, steady - math.max(0, wall - ended), ARGV[12])
  call('ZADD', USED, steady - math.max(0, wall - active), ARGV[12])
end
local changed = call('HMGET', row.key, unpack(FIELDS))
schedule_expiry_of(row.key, wall) --@ttl
return record({ 'OK', row.state, changed })
