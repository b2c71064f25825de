--@use keys clock rows writer check_types counters changes removal repair | ttl_index expire_ttl
-- Remove ended sessions. ARGV: 4 time, 6 ended before and 7 ended for, in microseconds, 8 limit. It
-- reads all sessions before it removes one.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
if expire_due() then return MORE end --@ttl
check_types()
local wall, steady = read_clock(ARGV[4])
local before, bound = tonumber(ARGV[6]), steady - tonumber(ARGV[7])
local due, lost = {}, {}
for _, id in ipairs(call('ZRANGEBYSCORE', ENDED, '-inf', bound, 'LIMIT', 0, ARGV[8])) do
  local row = find(key_of(id), '')
  if row then
    if tonumber(row.ended) >= before then break end
    call('XLEN', log_of(id))
    due[#due + 1] = { id = id, row = row }
  elseif is_gone(id) then
    lost[#lost + 1] = id
  end
end
if #lost > 0 then remove_lost(lost, wall) end
local answer = { 'OK' }
for _, each in ipairs(due) do
  remove_session(each.row, each.id, 'purged', wall)
  answer[#answer + 1] = each.id
  answer[#answer + 1] = each.row.raw
end
return record(answer)
