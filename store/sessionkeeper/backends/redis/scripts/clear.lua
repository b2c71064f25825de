--@use keys clock rows writer check_types orders counters headers removed streams | ttl_index
-- Delete all frames of a session. ARGV: 4 time, 5 principal. Its numbers go on: the hash has the last.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
local row = find(KEYS[9], ARGV[5])
if not row then return { 'MISSING' } end
check_types()
check_orders(false, row.ended)
check_beside(row, id_of(row.key))
local wall, steady = read_clock(ARGV[4])
if row.count > 0 then
  call('UNLINK', KEYS[10])
  if row.indexed then
    call('UNLINK', index_of(id_of(row.key)))
    call('HDEL', row.key, 'j')
  end
  if row.removed then
    call('UNLINK', removed_of(id_of(row.key)))
    call('HDEL', row.key, 'v')
  end
  increment('removed', row.count)
  increment('bytes', -row.bytes)
end
call('HSET', row.key, 'k', 0, 'z', 0, 'a', wall)
call('ZADD', row.ended and USED or IDLE, steady, id_of(row.key))
schedule_expiry_of(row.key, wall) --@ttl
return record({ 'OK', row.count })
