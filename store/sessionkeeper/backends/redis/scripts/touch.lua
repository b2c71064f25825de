--@use keys clock rows writer | check_types ttl_index
-- Note activity of a session. ARGV: 4 time, 5 principal.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
local row = find(KEYS[9], ARGV[5])
if not row then return { 'MISSING' } end
if row.ended then return { 'CLOSED', row.state } end
check_types() --@ttl
local wall, steady = read_clock(ARGV[4])
-- In this order: only the key of the bucket may still be of another type.
call('ZADD', IDLE, steady, id_of(row.key))
call('HSET', row.key, 'a', wall)
schedule_expiry_of(row.key, wall) --@ttl
return record({ 'OK' })
