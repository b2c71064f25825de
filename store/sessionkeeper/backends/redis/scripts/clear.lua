--@use keys clock rows writer check_types counters | ttl_index
-- ARGV: 4 now, 5 principal. The stream is emptied, not deleted: its last number stays.
if fenced() then return FENCED end
if not follows(ARGV[#ARGV]) then return BEHIND end
local row = find(KEYS[9], ARGV[5])
if not row then return { 'MISSING' } end
sound()
local wall, steady = now(ARGV[4])
if row.count > 0 then
  call('UNLINK', KEYS[10])
  add('removed', row.count)
  add('bytes', -row.bytes)
end
call('HSET', row.key, 'k', 0, 'z', 0, 'a', wall)
if not row.ended then call('ZADD', IDLE, steady, id_of(row.key)) end
keep_as_is(row.key, wall) --@ttl
return done({ 'OK', row.count })
