--@use keys clock rows writer check_types counters changes removal repair | ttl_index expire_ttl
-- ARGV: 4 now, 6 ended before, 7 ended for, in microseconds, 8 limit. Reads all before it removes any.
if fenced() then return FENCED end
if not follows(ARGV[#ARGV]) then return BEHIND end
if reap() then return MORE end --@ttl
sound()
local wall, steady = now(ARGV[4])
local before, bound = tonumber(ARGV[6]), steady - tonumber(ARGV[7])
local due, lost = {}, {}
for _, id in ipairs(call('ZRANGEBYSCORE', ENDED, '-inf', bound, 'LIMIT', 0, ARGV[8])) do
  local row = find(key_of(id), '')
  if row then
    if tonumber(row.ended) >= before then break end
    call('XLEN', log_of(id))
    due[#due + 1] = { id = id, row = row }
  elseif vanished(id) then
    lost[#lost + 1] = id
  end
end
if #lost > 0 then bury(lost, wall) end
local answer = { 'OK' }
for _, each in ipairs(due) do
  remove(each.row, each.id, 'purged', wall)
  answer[#answer + 1] = each.id
  answer[#answer + 1] = each.row.raw
end
return done(answer)
