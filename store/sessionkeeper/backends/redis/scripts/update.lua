--@use keys clock rows writer check_types orders counters changes change | ttl_index
-- Update sessions, all or none. ARGV: 4 time, 5 principal, 6-7 what each may hold, then for each session
-- what it is to be.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
local bounds = bounds_at(6)
local rows, wanted, check_all, in_orders, ends = {}, {}, false, false, false
for i = 1, #KEYS - PAIRS do
  local at = 8 + (i - 1) * WANTED_FIELDS
  local row = find(KEYS[PAIRS + i], ARGV[5])
  if not row then return { 'MISSING', i } end
  rows[i], wanted[i] = row, read_wanted(at)
  -- Otherwise only its hash, META and IDLE are written.
  check_all = check_all or row.state ~= wanted[i].state or row.principal ~= wanted[i].principal
  in_orders = in_orders or row.expires or wanted[i].expires
  ends = ends or wanted[i].ends
  local no = find_refusal(row, wanted[i], bounds)
  if no then
    no[#no + 1] = i
    return no
  end
end
if check_all then check_types() else call('ZCARD', IDLE) end
check_orders(in_orders, ends)
call('ZCARD', EXPIRY) --@ttl
call('HLEN', EXPIRY_RECORDS) --@ttl
local wall, steady = read_clock(ARGV[4])
local answer = { 'OK' }
for i, row in ipairs(rows) do
  store_change(row, ARGV[8 + (i - 1) * WANTED_FIELDS], wanted[i], wall, steady)
  answer[#answer + 1] = row.state
  answer[#answer + 1] = call('HMGET', row.key, unpack(FIELDS))
  schedule_expiry_of(row.key, wall) --@ttl
end
return record(answer)
