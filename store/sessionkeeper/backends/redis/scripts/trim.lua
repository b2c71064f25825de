--@use keys rows writer check_types counters headers removed streams log | clock ttl_index
-- Delete the oldest frames. ARGV: 5 principal, 6 the last number to delete, 7 the
-- incarnation that the session must have, or ''.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
local row = find(KEYS[9], ARGV[5])
if not row then return { 'MISSING' } end
if ARGV[7] ~= '' and ARGV[7] ~= incarnation_of(row) then return { 'MISSING' } end
local before = row.last - row.count
local count = math.min(math.max(0, tonumber(ARGV[6]) - before), row.count)
if count > 0 then
  check_types()
  local plan = plan_index(KEYS[10], row, count, 0, 0, '')
  local freed = drop_oldest(KEYS[10], row, count)
  if plan then change_index(row, plan) end
  increment('removed', count)
  increment('bytes', -freed)
  call('HSET', row.key, 'k', row.count, 'z', row.bytes)
  schedule_expiry_of(row.key, (read_clock(ARGV[4]))) --@ttl
end
return record({ 'OK', count })
