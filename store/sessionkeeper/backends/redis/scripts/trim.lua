--@use keys rows writer check_types counters log | clock ttl_index
-- ARGV: 5 principal, 6 the last number to go.
if fenced() then return FENCED end
if not follows(ARGV[#ARGV]) then return BEHIND end
local row = find(KEYS[9], ARGV[5])
if not row then return { 'MISSING' } end
local before = row.last - row.count
local count = math.min(math.max(0, tonumber(ARGV[6]) - before), row.count)
if count > 0 then
  sound()
  local freed = cut(KEYS[10], row, count)
  add('removed', count)
  add('bytes', -freed)
  call('HSET', row.key, 'k', row.count, 'z', row.bytes)
  keep_as_is(row.key, (now(ARGV[4]))) --@ttl
end
return done({ 'OK', count })
