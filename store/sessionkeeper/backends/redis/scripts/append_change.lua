--@use keys clock rows writer check_types counters changes log change | repair ttl_index expire_ttl
-- ARGV: 4 now, 5 principal, 6 count, 7-10 bounds, 11-13 terms, 14 most metadata, 15-25 the change,
-- then the frames.
if fenced() then return FENCED end
if not follows(ARGV[#ARGV]) then return BEHIND end
if reap() then return MORE end --@ttl
local row = find(KEYS[9], ARGV[5])
if not row then return { 'MISSING' } end
if row.ended then return { 'CLOSED', row.state } end
local count = tonumber(ARGV[6])
local drop, no = room(KEYS[10], row, count, bounds_at(7), 11, tonumber(call('HGET', META, 'bytes') or 0))
if no then return no end
local new = wanted(15)
no = refusal(row, new, tonumber(ARGV[14]))
if no then return no end
sound()
local wall, steady = now(ARGV[4])
if drop > 0 then
  add('dropped', drop)
  add('bytes', -cut(KEYS[10], row, drop))
end
add('bytes', append(KEYS[10], row, count, 26, wall, steady))
add('added', count)
change(row, ARGV[15], new, wall, steady)
local changed = call('HMGET', KEYS[9], unpack(FIELDS))
keep_as_is(row.key, wall) --@ttl
return done({ 'OK', row.last, row.state, changed })
