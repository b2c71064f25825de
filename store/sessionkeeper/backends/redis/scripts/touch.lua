--@use keys clock rows writer | check_types ttl_index
-- ARGV: 4 now, 5 principal.
if fenced() then return FENCED end
if not follows(ARGV[#ARGV]) then return BEHIND end
local row = find(KEYS[9], ARGV[5])
if not row then return { 'MISSING' } end
if row.ended then return { 'CLOSED', row.state } end
sound() --@ttl
local wall, steady = now(ARGV[4])
-- In this order: of the two, only the key of the bucket may still be of another kind.
call('ZADD', IDLE, steady, id_of(row.key))
call('HSET', row.key, 'a', wall)
keep_as_is(row.key, wall) --@ttl
return done({ 'OK' })
